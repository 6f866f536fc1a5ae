"""A codec's folder says its kind, and whoever registered the kind reads it."""

from __future__ import annotations

import json
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.generation.untrained import untrained_codecs

from omniloom.codecs import kinds
from omniloom.codecs.bundle import CodecSet, load_codec
from omniloom.codecs.frames import FrameCodec, frame_spec
from omniloom.codecs.kinds import codec_kinds
from omniloom.core.checkpoint import read_manifest, write_folder
from omniloom.generation.loading import shipped
from omniloom.stream.parts import Audio
from omniloom.stream.vocabulary import CodecSpec

KIND = "a codec of this test"


class RisingCodec(FrameCodec[int, int]):
    """Two codebooks; the state shows in every code."""

    rate_hz = 8_000
    samples_per_frame = 80
    codebook_sizes = (10, 30)

    @property
    def spec(self) -> CodecSpec:
        return frame_spec(self.codebook_sizes, fingerprint="rising")

    def encode_piece(self, samples: torch.Tensor, state: int | None) -> tuple[torch.Tensor, int]:
        start = state or 0
        frames = torch.arange(start, start + samples.shape[1] // 80).expand(samples.shape[0], -1)
        return torch.stack([frames % 10, frames % 30], -1), start + frames.shape[1]

    def decode_piece(self, codes: torch.Tensor, state: int | None) -> tuple[torch.Tensor, int]:
        start = state or 0
        sound = (codes[..., 1] / 100 + start % 2).repeat_interleave(80, dim=1)
        return sound.clamp(-1, 1), start + codes.shape[1] * 2

    def save(self, folder: str | Path) -> None:
        write_folder(folder, lambda path: (path / "config.json").write_text(json.dumps({"kind": KIND})))

    @classmethod
    def load(cls, folder: str | Path) -> RisingCodec:
        read_manifest(folder)
        return cls()


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec_kinds, "_values", {**codec_kinds._values, KIND: RisingCodec})


def with_rising() -> CodecSet:
    codecs = untrained_codecs()
    return CodecSet(text=codecs.text, audio=RisingCodec(), image=codecs.image)


def test_a_registered_kind_is_saved_and_loaded_with_the_others(registered: None, tmp_path: Path) -> None:
    with_rising().save(tmp_path)
    again = CodecSet.load(tmp_path)
    assert isinstance(again.audio, RisingCodec)
    assert again.specs == with_rising().specs


def test_an_installed_package_makes_its_kind_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint(KIND, "tests.codecs.test_kinds:RisingCodec", kinds.ENTRY_POINTS)
    asked: list[dict[str, str]] = []

    def entry_points(**wanted: str) -> list[EntryPoint]:
        asked.append(wanted)
        return [point] if wanted["name"] == KIND else []

    monkeypatch.setattr(kinds, "entry_points", entry_points)
    monkeypatch.setattr(codec_kinds, "_values", dict(codec_kinds._values))
    with_rising().save(tmp_path)
    assert type(CodecSet.load(tmp_path).audio).__name__ == "RisingCodec"
    assert asked == [{"group": "omniloom.codecs", "name": KIND}]


def test_an_unknown_kind_says_how_to_make_it_known(tmp_path: Path) -> None:
    with_rising().save(tmp_path)
    with pytest.raises(ValueError, match=r"unknown kind of codec 'a codec of this test'.* entry point of"):
        CodecSet.load(tmp_path)


def test_a_codec_in_the_place_of_another_is_refused(tmp_path: Path) -> None:
    untrained_codecs().save(tmp_path)
    with pytest.raises(ValueError, match="image holds a codec of image, not of audio"):
        load_codec(tmp_path / "image", "audio")


def test_the_shipped_codecs_are_of_our_kinds() -> None:
    """Their folders may name no kind: they were written before there were any."""
    folder = shipped()["tiny"] / "codecs"
    codecs = CodecSet.load(folder)
    names = [type(codec).__name__ for codec in (codecs.text, codecs.audio, codecs.image)]
    assert names == ["TextCodec", "AudioCodec", "ImageCodec"]
    assert [spec.slot_cycle for spec in codecs.specs] == [1, 1, 1]


@pytest.mark.parametrize("modality", ["text", "audio", "image"])
def test_every_saved_codec_says_its_kind(modality: str, tmp_path: Path) -> None:
    untrained_codecs().save(tmp_path)
    assert json.loads((tmp_path / modality / "config.json").read_text())["kind"] == f"{modality}_codec"


@pytest.mark.parametrize("size", [1, 79, 80, 333])
def test_streams_of_any_frame_codec_equal_the_whole(size: int) -> None:
    codec = RisingCodec()
    sound = Audio(torch.zeros(80 * 12 - 5), 8_000)
    whole = codec.encode(sound)
    encoder: Any = codec.encoder_stream()
    codes = [code for piece in sound.samples.split(size) for code in encoder.push(piece)] + encoder.flush()
    assert codes == whole == [code for frame in range(12) for code in (frame % 10, 10 + frame % 30)]
    decoder = codec.decoder_stream()
    pieces = [decoder.push(codes[start : start + size]) for start in range(0, len(codes), size)]
    assert torch.cat(pieces).tolist() == codec.decode(codes).samples.tolist()
    with pytest.raises(ValueError, match=r"audio code 3 at place 1 must lie in 10\.\.39"):
        codec.decode([3, 3])
