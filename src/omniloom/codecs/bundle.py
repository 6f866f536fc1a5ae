"""The three codecs of a model as one thing: made, saved, loaded and handed to workers together.

Any of them may be a codec of one's own; its folder says which (see `kinds`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omniloom.codecs import absent, audio, image, mimi, text  # noqa: F401 - imported to be registered
from omniloom.codecs.base import AnyAudioCodec, AnyImageCodec, AnyTextCodec
from omniloom.codecs.kinds import codec_class, kind_of
from omniloom.core.checkpoint import read_manifest
from omniloom.stream.vocabulary import CodecSpec, Modality, Vocabulary


@dataclass(frozen=True, kw_only=True)
class CodecSet:
    """A codec for each modality."""

    text: AnyTextCodec
    audio: AnyAudioCodec
    image: AnyImageCodec

    @classmethod
    def of_text(cls, codec: AnyTextCodec) -> CodecSet:
        """Those of a model of text alone."""
        return cls(text=codec, audio=absent.NoAudio(), image=absent.NoImage())

    @property
    def specs(self) -> list[CodecSpec]:
        """In the order in which a vocabulary takes them."""
        return [self.text.spec, self.audio.spec, self.image.spec]

    @property
    def fingerprints(self) -> dict[str, str]:
        return {spec.modality: spec.fingerprint for spec in self.specs}

    def vocabulary(self) -> Vocabulary:
        return Vocabulary(self.specs)

    def save(self, folder: str | Path) -> None:
        """Write the codecs into subfolders `text`, `audio` and `image`."""
        for name, codec in (("text", self.text), ("audio", self.audio), ("image", self.image)):
            path = Path(folder) / name
            path.mkdir(parents=True, exist_ok=True)
            codec.save(path)

    @classmethod
    def load(cls, folder: str | Path) -> CodecSet:
        """Read what `save` wrote.

        Raises:
            ValueError: If a codec is missing, torn, or of a kind that nothing here reads.
        """
        folder = Path(folder)
        missing = [name for name in ("text", "audio", "image") if not (folder / name).is_dir()]
        if missing:
            raise ValueError(
                f"{folder} holds no {' and no '.join(missing)} codec; give a folder written by CodecSet.save"
            )
        return cls(
            text=load_codec(folder / "text", "text"),
            audio=load_codec(folder / "audio", "audio"),
            image=load_codec(folder / "image", "image"),
        )


def load_codec(folder: str | Path, modality: Modality) -> Any:
    """The codec in a folder, of whatever kind.

    Raises:
        ValueError: If it is torn, of a kind that nothing here reads, or of another modality.
    """
    read_manifest(folder)
    codec = codec_class(kind_of(folder, modality)).load(folder)
    if codec.spec.modality != modality:
        raise ValueError(f"{folder} holds a codec of {codec.spec.modality}, not of {modality}; put it in its own place")
    return codec
