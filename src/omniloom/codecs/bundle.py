"""The three codecs of a model as one thing: made, saved, loaded and handed to workers together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from omniloom.codecs.audio import AudioCodec
from omniloom.codecs.image import ImageCodec
from omniloom.codecs.text import TextCodec
from omniloom.stream.vocabulary import CodecSpec, Vocabulary


@dataclass(frozen=True, kw_only=True)
class CodecSet:
    """A codec for each modality."""

    text: TextCodec
    audio: AudioCodec
    image: ImageCodec

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
            ValueError: If a codec is missing.
        """
        folder = Path(folder)
        missing = [name for name in ("text", "audio", "image") if not (folder / name).is_dir()]
        if missing:
            raise ValueError(
                f"{folder} holds no {' and no '.join(missing)} codec; give a folder written by CodecSet.save"
            )
        return cls(
            text=TextCodec.load(folder / "text"),
            audio=AudioCodec.load(folder / "audio"),
            image=ImageCodec.load(folder / "image"),
        )
