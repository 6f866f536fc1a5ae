"""A model of text alone learns its examples, is an ordinary checkpoint, and a stopped run ends as one that was not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.recipes.text_model.words import EXAMPLES, TINY

from omniloom import Omni
from omniloom.core.checkpoint import latest
from omniloom.data.texts import TextExample
from omniloom.generation import load
from omniloom.recipes.text_model import finetune_text_model, train_text_model
from omniloom.training import Trainer


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_text_model(TINY, EXAMPLES, out=tmp_path_factory.mktemp("text") / "run")


def test_it_answers_as_it_was_taught(trained: Path) -> None:
    omni = Omni.load(trained)
    asked = [example.prompt for example in EXAMPLES]
    assert [reply.text for reply in omni.reply_batch(asked)] == [example.reply for example in EXAMPLES]
    right, wrong = omni.likelihoods([("cat", (" gato", " perro"))])[0]
    assert right.logprob > wrong.logprob + 1


def test_it_takes_and_gives_text_alone(trained: Path) -> None:
    omni = Omni.load(trained)
    with pytest.raises(ValueError, match="this model gives no audio; want text"):
        omni.reply("cat", want="audio")


def test_a_done_run_is_not_done_again_and_others_examples_are_refused(trained: Path) -> None:
    before = (trained / "model.safetensors").stat().st_mtime_ns
    assert train_text_model(TINY, EXAMPLES, out=trained.parent) == trained
    assert (trained / "model.safetensors").stat().st_mtime_ns == before
    with pytest.raises(ValueError, match="was begun with 4 other examples"):
        train_text_model(TINY, EXAMPLES[:3], out=trained.parent)


def test_a_done_run_does_not_pass_for_one_of_other_settings(trained: Path, tmp_path: Path) -> None:
    longer = replace(TINY, training=replace(TINY.training, num_steps=TINY.training.num_steps + 1))
    for _ in range(2):
        with pytest.raises(ValueError, match=r"was trained by other settings .*num_steps.*give another --out"):
            train_text_model(longer, EXAMPLES, out=trained.parent)
    lesson, training = [TextExample(prompt="cat", reply=" chat")], replace(TINY.training, num_steps=1)
    finetune_text_model(trained, lesson, training=training, out=tmp_path)
    with pytest.raises(ValueError, match=r"was trained by other settings .*num_steps = 2"):
        finetune_text_model(trained, lesson, training=replace(training, num_steps=2), out=tmp_path)


def test_a_stopped_run_ends_as_one_that_was_not(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Trainer.run
    monkeypatch.setattr(Trainer, "run", lambda self: whole(self, until=7))
    with pytest.raises(KeyboardInterrupt, match="stopped at step 7"):
        train_text_model(TINY, EXAMPLES, out=tmp_path)
    assert latest(tmp_path / "model" / "checkpoints") is not None
    monkeypatch.undo()
    again = load(train_text_model(TINY, EXAMPLES, out=tmp_path)).model.state_dict()
    for name, weight in load(trained).model.state_dict().items():
        torch.testing.assert_close(again[name], weight, rtol=0, atol=0)


def test_a_checkpoint_is_taken_further_with_its_own_codec(trained: Path, tmp_path: Path) -> None:
    lesson = [TextExample(prompt="cat", reply=" chat")]
    training = replace(TINY.training, num_steps=20)
    folder = finetune_text_model(trained, lesson, training=training, out=tmp_path / "further")
    assert Omni.load(folder).reply("cat").text == " chat"
    assert load(folder).codecs.fingerprints == load(trained).codecs.fingerprints
