"""The pictures of the named emoji: Google's Noto Emoji (Apache-2.0), 72 pixels a side, transparent around.

They are taken from `$OMNILOOM_DATA/noto-emoji`, else from the cache, else downloaded one by one: the repository as a
whole is 300 times as large as these two hundred files. Each is checked against the table, so that an emoji is the same
picture for everyone. Nothing is read before the first picture is asked for.
"""

from __future__ import annotations

import io
from functools import cache

from PIL import Image as PillowImage

from omniloom.data.emoji.table import COMMIT, EMOJI, Emoji
from omniloom.data.public import PublicFiles, read_files

MAX_BYTES = 20_000
"""Of one picture; the largest in the table has a third of it."""

REMEDY = "or leave emoji out: --set mix.emoji=none, and --set image.emoji_share=0 for the codec"


@cache
def pictures() -> dict[str, PillowImage.Image]:
    """Every named emoji as an RGBA picture; the first call reads them all, or downloads them in a minute or so.

    Raises:
        ValueError: If one is not at hand and cannot be downloaded, or is another picture than the table says.
    """
    files = {_path(emoji): emoji.sha256 for emoji in EMOJI}
    found = read_files(SOURCE, files)
    return {emoji.name: _decoded(found[_path(emoji)]) for emoji in EMOJI}


SOURCE = PublicFiles(
    name="noto-emoji",
    url=f"https://raw.githubusercontent.com/googlefonts/noto-emoji/{COMMIT}",
    version=COMMIT[:12],
    max_bytes=MAX_BYTES,
    remedy=REMEDY,
)


def _path(emoji: Emoji) -> str:
    return f"png/72/{emoji.file}"


def _decoded(data: bytes) -> PillowImage.Image:
    return PillowImage.open(io.BytesIO(data), formats=("PNG",)).convert("RGBA")
