"""The listener from its recipe: what `omniloom train listener` leaves is what `Listener.load` takes."""

from pathlib import Path

import pytest

from omniloom.core.config import override
from omniloom.data.speech.listener import Listener
from omniloom.recipes import recipes

pytest.importorskip("espeakng_loader")

SHORT = {
    "listener.words": "red,water",
    "listener.width": "16",
    "first.num_steps": "2",
    "second.num_steps": "1",
    "first.batch_size": "2",
    "second.batch_size": "2",
}


def test_the_recipe_makes_a_listener_and_makes_it_again_from_its_checkpoints(tmp_path: Path) -> None:
    recipe = recipes.get("listener")
    config = override(recipe.configure(), SHORT)
    first = recipe.run(config, out=tmp_path / "run", is_resuming=False)
    weights = (first / "listener.safetensors").read_bytes()
    assert Listener.load(first).config == config.listener
    again = recipe.run(config, out=tmp_path / "run", is_resuming=True)
    assert again == first == tmp_path / "run" / "listener"
    assert (again / "listener.safetensors").read_bytes() == weights
