"""What a picture is drawn from without its prompt, for guidance (`Sampling.image_guidance`)."""

from __future__ import annotations

from collections.abc import Iterable

from omniloom.stream import vocabulary as v
from omniloom.stream.layout import open_reply
from omniloom.stream.message import Want


def guide_prompt(wants: Iterable[Want]) -> list[int]:
    """A picture's opening without any prompt; training shows it in the same form."""
    return [v.BOS, v.USER, *open_reply(frozenset(wants)), v.IMAGE]
