"""The schedule's corner values, and a loss that counts what it says."""

import math

import pytest
import torch

from omniloom.models import OmniConfig, OmniModel, States
from omniloom.stream.layout import LossClass, Turn
from omniloom.stream.vocabulary import AUDIO, PAD, TURN_END
from omniloom.training import Cosine, LossWeights, WarmupStableDecay
from omniloom.training.loss import weighted_loss
from tests.stream.vocabularies import folding_vocabulary, small_vocabulary
from tests.training.batches import plain_batch


def test_a_cosine_rises_in_a_line_and_falls_by_half_a_period() -> None:
    schedule = Cosine(warmup_steps=4, last=0.1)
    rises = [schedule.scale(step, num_steps=104) for step in range(4)]
    assert rises == [0.25, 0.5, 0.75, 1.0]
    falls = [schedule.scale(step, num_steps=104) for step in (4, 29, 54, 79, 104)]
    shares = [1.0, 0.8535533905932737, 0.5, 0.14644660940672627, 0.0]
    assert falls == pytest.approx([0.1 + 0.9 * share for share in shares], abs=1e-12)
    for settings in ({"warmup_steps": -1}, {"last": 1.5}):
        with pytest.raises(ValueError, match=r"must not be negative, got -1|between 0 and 1, got 1\.5"):
            Cosine(**settings)  # type: ignore[arg-type]


def test_schedule_rises_holds_and_falls_to_zero():
    schedule = WarmupStableDecay(warmup_steps=10, decay_fraction=0.5)
    scales = [schedule.scale(step, num_steps=100) for step in (0, 4, 9, 50, 75, 99, 100)]
    assert scales == pytest.approx([0.1, 0.5, 1.0, 1.0, 0.5, 0.02, 0.0])


@pytest.mark.parametrize("values", [{"decay_fraction": 1.5}, {"warmup_steps": -1}])
def test_impossible_schedules_are_refused(values):
    with pytest.raises(ValueError, match=str(next(iter(values.values())))):
        WarmupStableDecay(**values)


def test_weights_follow_the_loss_classes():
    replies = {"reply_text": 1, "reply_audio": 2, "reply_image": 3}
    replies["seen_word"] = 9
    weights = LossWeights(**replies, prompt_text=4, prompt_audio=5, prompt_image=6, turn_end=7, heard_word=8)
    assert weights.by_class().tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]


def test_only_weighted_tokens_are_counted():
    vocabulary = small_vocabulary()
    model = OmniModel(OmniConfig.from_depth(1), vocabulary)
    hidden, ids = torch.randn(1, 4, 128), torch.tensor([[7, 40, 80, 100, 33]])
    classes = torch.tensor([[LossClass.REPLY_TEXT, LossClass.REPLY_AUDIO, LossClass.PROMPT_IMAGE, LossClass.NONE]])
    weights = LossWeights(reply_text=1.0, reply_audio=0.5, prompt_image=0.0).by_class()
    loss = weighted_loss(model, States(hidden, None), plain_batch(ids, classes), weights)
    each = torch.nn.functional.cross_entropy(model.logits(hidden)[0], ids[0, 1:], reduction="none")
    assert loss.total.item() == pytest.approx(((each[0] + 0.5 * each[1]) / 1.5).item(), rel=1e-6)
    assert loss.counts.tolist() == [0, 1, 1, 0, 0, 0, 0, 0, 0, 0]
    assert math.isclose(loss.sums[2].item(), each[1].item(), rel_tol=1e-6)


def test_each_id_of_a_folded_position_counts_among_those_of_its_place():
    """Two words, a frame of two codes and a block of three, weighed by hand."""
    vocabulary = folding_vocabulary()
    model = OmniModel(OmniConfig.from_depth(1), vocabulary)
    for head in model.heads:
        torch.nn.init.normal_(head, std=0.1)
    hidden, ids = torch.randn(1, 4, 128), torch.tensor([[7, 40, 75, 41, 99]])
    classes = torch.tensor([[LossClass.REPLY_TEXT, LossClass.REPLY_AUDIO, LossClass.REPLY_TEXT, LossClass.REPLY_IMAGE]])
    more = torch.tensor([[[PAD] * 3, [PAD] * 3, [90, PAD, PAD], [PAD] * 3, [105, 115, PAD]]])
    batch = plain_batch(ids, classes, more=more)
    loss = weighted_loss(model, States(hidden, None), batch, LossWeights(reply_audio=0.5, reply_image=0.25).by_class())
    table = model.embedding.table()

    def one(place: int, start: int, stop: int, token: int, head: torch.Tensor) -> torch.Tensor:
        logits = table[start:stop] @ head @ hidden[0, place]
        return -logits.log_softmax(-1)[token - start]

    first = torch.nn.functional.cross_entropy(model.logits(hidden)[0], ids[0, 1:], reduction="none")
    sound = first[1] + one(1, 84, 96, 90, model.heads[0])
    block = first[3] + one(3, 104, 116, 105, model.heads[1]) + one(3, 104, 116, 115, model.heads[2])
    expected = (first[0] + first[2] + 0.5 * sound + 0.25 * block) / (2 + 2 * 0.5 + 3 * 0.25)
    assert loss.total.item() == pytest.approx(expected.item(), rel=1e-5)
    assert loss.counts.tolist() == [0, 2, 2, 3, 0, 0, 0, 0, 0, 0]
    assert loss.sums[LossClass.REPLY_IMAGE].item() == pytest.approx(block.item(), rel=1e-5)


def test_heads_without_anything_to_predict_have_gradients_all_the_same():
    """Processes that share a step wait for every gradient of one another."""
    model = OmniModel(OmniConfig.from_depth(1), folding_vocabulary())
    hidden, ids = torch.randn(1, 2, 128), torch.tensor([[7, 40, 75]])
    batch = plain_batch(ids, torch.tensor([[LossClass.REPLY_TEXT, 0]]), more=torch.zeros(1, 3, 3, dtype=torch.long))
    weighted_loss(model, States(hidden, hidden), batch, LossWeights().by_class()).total.backward()
    assert all(head.grad is not None and not head.grad.any() for head in [*model.heads, model.hearing])


def test_frames_that_know_are_asked_if_the_turn_has_ended():
    """Two frames know; the loss is that of two logits, added as a mean whatever the tokens weigh."""
    model = OmniModel(OmniConfig.from_depth(1), small_vocabulary())
    hidden, ids = torch.randn(1, 4, 128), torch.tensor([[7, 40, 80, 100, 33]])
    classes = torch.tensor([[LossClass.REPLY_TEXT, 0, 0, 0]])
    batch = plain_batch(ids, classes, turns=torch.tensor([[0, Turn.GOES_ON, Turn.ENDED, 0]]))
    weights = LossWeights(reply_text=3.0, turn_end=0.5).by_class()
    loss = weighted_loss(model, States(hidden, None), batch, weights)
    logits = model.logits(hidden)[0]
    ended = (logits[:, TURN_END] - logits[:, AUDIO]).sigmoid()
    expected = -((1 - ended[1]).log() + ended[2].log()) / 2
    text = torch.nn.functional.cross_entropy(logits[:1], ids[0, 1:2])
    assert loss.total.item() == pytest.approx((text + 0.5 * expected).item(), rel=1e-5)
    assert loss.counts[LossClass.TURN_END] == 2
    assert loss.sums[LossClass.TURN_END].item() == pytest.approx(2 * expected.item(), rel=1e-5)


def test_frames_that_know_are_asked_for_their_word():
    """Two frames know; the loss is among text ids alone, from the state half way up, through a matrix of its own."""
    vocabulary = small_vocabulary()
    model = OmniModel(OmniConfig.from_depth(1), vocabulary)
    torch.nn.init.normal_(model.hearing, std=0.1)
    (text,) = vocabulary.planes_of("text")
    hidden, heard, ids = torch.randn(1, 4, 128), torch.randn(1, 4, 128), torch.tensor([[7, 40, 80, 100, 33]])
    said = torch.tensor([[PAD, text.start + 5, text.start, PAD]])
    batch = plain_batch(ids, torch.tensor([[LossClass.REPLY_TEXT, 0, 0, 0]]), words=said)
    weights = LossWeights(reply_text=3.0, heard_word=0.5).by_class()
    loss = weighted_loss(model, States(hidden, heard), batch, weights)
    scores = (heard[0] @ model.hearing.T @ model.embedding.table()[text.start : text.stop].T).log_softmax(-1)
    expected = -(scores[1, 5] + scores[2, 0]) / 2
    reply = torch.nn.functional.cross_entropy(model.logits(hidden)[0, :1], ids[0, 1:2])
    assert loss.total.item() == pytest.approx((reply + 0.5 * expected).item(), rel=1e-5)
    assert loss.counts[LossClass.HEARD_WORD] == 2
    assert loss.sums[LossClass.HEARD_WORD].item() == pytest.approx(2 * expected.item(), rel=1e-5)
    without = weighted_loss(model, States(hidden, heard), batch, LossWeights(reply_text=3.0, heard_word=0).by_class())
    assert without.total.item() == pytest.approx(reply.item(), rel=1e-5)


def test_blocks_are_asked_apart_from_frames():
    """Each question's mean has its own weight, however many more frames there are than blocks."""
    vocabulary = small_vocabulary()
    model = OmniModel(OmniConfig.from_depth(1), vocabulary)
    (text,) = vocabulary.planes_of("text")
    sound, picture = vocabulary.start_of("audio"), vocabulary.start_of("image")
    heard, ids = torch.randn(1, 4, 128), torch.tensor([[sound, sound, sound, picture, picture]])
    words = torch.tensor([[text.start + 5, text.start + 1, text.start + 2, text.start + 3]])
    batch = plain_batch(ids, torch.zeros(1, 4, dtype=torch.long), words=words)
    replies = {kind: 0.0 for kind in ("reply_text", "reply_audio", "reply_image", "prompt_audio", "turn_end")}
    weights = LossWeights(**replies, heard_word=0.5, seen_word=0.25).by_class()
    loss = weighted_loss(model, States(torch.randn(1, 4, 128), heard), batch, weights)
    scores = (heard[0] @ model.embedding.table()[text.start : text.stop].T).log_softmax(-1)
    frames, block = -(scores[0, 5] + scores[1, 1] + scores[2, 2]) / 3, -scores[3, 3]
    assert loss.total.item() == pytest.approx((0.5 * frames + 0.25 * block).item(), rel=1e-5)
    assert loss.counts[LossClass.HEARD_WORD] == 3 and loss.counts[LossClass.SEEN_WORD] == 1
