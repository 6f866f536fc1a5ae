"""An interrupted and resumed run takes the same steps, to the last bit, as one that ran through."""

import os
import signal
import threading

import pytest
import torch

from omniloom.core.metrics import read_metrics
from omniloom.core.state import equal_states
from omniloom.data.packing import Batch
from omniloom.models import OmniConfig, OmniModel
from omniloom.training import AdamW, Muon, Trainer, TrainingConfig, WarmupStableDecay
from tests.stream.vocabularies import small_vocabulary
from tests.training.batches import plain_batch

VOCABULARY = small_vocabulary()


class RandomBatches:
    """Rows that depend on the batch number alone."""

    def __init__(self, num_rows=2):
        self.num_rows = num_rows

    def batch(self, step):
        generator = torch.Generator().manual_seed(step)
        ids = torch.randint(0, VOCABULARY.size, (self.num_rows, 17), generator=generator)
        classes = torch.randint(0, 7, (self.num_rows, 16), generator=generator)
        turns = torch.randint(0, 3, (self.num_rows, 16), generator=generator)
        words = torch.randint(32, 40, (self.num_rows, 16), generator=generator)
        return plain_batch(ids, classes, turns=turns, words=words)


def trainer(out, *, optimizer=None, **changes) -> Trainer:
    torch.manual_seed(0)
    settings = {
        "num_steps": 12,
        "row_length": 16,
        "num_rows": 2,
        "log_every": 1,
        "compile": False,
        "tensorboard": False,
    }
    schedule = WarmupStableDecay(warmup_steps=3)
    config = TrainingConfig(**{**settings, "optimizer": optimizer or AdamW(), "schedule": schedule, **changes})
    return Trainer(OmniModel(OmniConfig.from_depth(1), VOCABULARY), RandomBatches(), config, out)


def curve(folder):
    lines = read_metrics(folder / "metrics.jsonl")
    return [{key: value for key, value in line.items() if key.startswith(("loss", "step"))} for line in lines]


@pytest.mark.parametrize("optimizer", [AdamW(), Muon()])
def test_resumed_equals_uninterrupted(tmp_path, optimizer):
    whole = trainer(tmp_path / "whole", optimizer=optimizer, accumulate=2)
    assert whole.run().finished
    first = trainer(tmp_path / "cut", optimizer=optimizer, accumulate=2).run(until=5)
    assert (first.step, first.finished) == (5, False)
    second = trainer(tmp_path / "cut", optimizer=optimizer, accumulate=2)
    assert second.resume()
    assert second.run().finished
    assert equal_states(dict(whole.model.state_dict()), dict(second.model.state_dict()))
    assert curve(tmp_path / "whole") == curve(tmp_path / "cut")


def test_torn_checkpoint_is_passed_over_for_the_one_before(tmp_path):
    run = trainer(tmp_path, keep_checkpoints=3)
    run.run(until=4)
    torn = run.run(until=8).checkpoint
    (torn / "state.safetensors").write_bytes(b"cut short")
    again = trainer(tmp_path)
    with pytest.warns(UserWarning, match="torn"):
        assert again.resume()
    assert again.step == 4


def test_ctrl_c_ends_with_a_checkpoint(tmp_path):
    run = trainer(tmp_path, num_steps=100_000)
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    result = run.run()
    assert not result.finished
    again = trainer(tmp_path)
    assert again.resume()
    assert again.step == result.step > 0


def test_accumulated_equals_one_large_batch(tmp_path):
    """Same tokens, same weights: with every token weighted alike the mean of means is the mean."""

    class Split(RandomBatches):
        def batch(self, step):
            whole = RandomBatches(4).batch(0)
            parts = {name: value[2 * step : 2 * step + self.num_rows] for name, value in vars(whole).items()}
            ones = torch.ones_like(parts["classes"])
            return Batch(**{**parts, "classes": ones, "turns": ones})

    def gradients(num_rows, accumulate):
        run = trainer(tmp_path, accumulate=accumulate, autocast=False)
        run.batches = Split(num_rows)
        run.accumulate_gradients()
        return run.model.embedding.rows.grad

    torch.testing.assert_close(gradients(4, 1), gradients(2, 2), rtol=0, atol=1e-6)


def test_fewer_steps_of_loss_when_learning(tmp_path):
    """On one batch seen again and again the loss must fall."""
    run = trainer(tmp_path, num_steps=60)
    fixed = RandomBatches().batch(0)
    run.batches = type("Fixed", (), {"batch": lambda self, step: fixed})()
    run.run()
    losses = [line["loss/reply_text"] for line in read_metrics(tmp_path / "metrics.jsonl")]
    assert losses[-1] < 0.5 * losses[0]
