"""The schedule's corner values, and a loss that counts what it says."""

import math

import pytest
import torch

from omniloom.models import OmniConfig, OmniModel
from omniloom.stream.layout import LossClass
from omniloom.training import LossWeights, WarmupStableDecay
from omniloom.training.loss import weighted_loss
from tests.stream.vocabularies import small_vocabulary


def test_schedule_rises_holds_and_falls_to_zero():
    schedule = WarmupStableDecay(warmup_steps=10, decay_fraction=0.5)
    scales = [schedule.scale(step, num_steps=100) for step in (0, 4, 9, 50, 75, 99, 100)]
    assert scales == pytest.approx([0.1, 0.5, 1.0, 1.0, 0.5, 0.02, 0.0])


@pytest.mark.parametrize("values", [{"decay_fraction": 1.5}, {"warmup_steps": -1}])
def test_impossible_schedules_are_refused(values):
    with pytest.raises(ValueError, match=str(next(iter(values.values())))):
        WarmupStableDecay(**values)


def test_weights_follow_the_loss_classes():
    weights = LossWeights(reply_text=1, reply_audio=2, reply_image=3, prompt_text=4, prompt_audio=5, prompt_image=6)
    assert weights.by_class().tolist() == [0, 1, 2, 3, 4, 5, 6]


def test_only_weighted_tokens_are_counted():
    vocabulary = small_vocabulary()
    model = OmniModel(OmniConfig.from_depth(1), vocabulary)
    hidden, targets = torch.randn(1, 4, 128), torch.tensor([[40, 80, 100, 33]])
    classes = torch.tensor([[LossClass.REPLY_TEXT, LossClass.REPLY_AUDIO, LossClass.PROMPT_IMAGE, LossClass.NONE]])
    weights = LossWeights(reply_text=1.0, reply_audio=0.5, prompt_image=0.0).by_class()
    loss = weighted_loss(model, hidden, targets, classes, weights)
    each = torch.nn.functional.cross_entropy(model.logits(hidden)[0], targets[0], reduction="none")
    assert loss.total.item() == pytest.approx(((each[0] + 0.5 * each[1]) / 1.5).item(), rel=1e-6)
    assert loss.counts.tolist() == [0, 1, 1, 0, 0, 0, 0]
    assert math.isclose(loss.sums[2].item(), each[1].item(), rel_tol=1e-6)
