"""One vocabulary for every codec: control tokens first, then a contiguous range for each codec.

A codec numbers its elements from 0 in planes laid end to end (audio: one plane for each codebook; image: a colour and
a coverage plane). The vocabulary shifts them to where they live in the stream and keeps each codec's fingerprint, so
that a checkpoint can refuse a codec that it was not trained with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Modality = Literal["text", "audio", "image"]

CONTROLS = (
    "<pad>",
    "<bos>",
    "<user>",
    "<assistant>",
    "<want_text>",
    "<want_audio>",
    "<want_image>",
    "<audio>",
    "<image>",
    "<end>",
)
PAD, BOS, USER, ASSISTANT, WANT_TEXT, WANT_AUDIO, WANT_IMAGE, AUDIO, IMAGE, END = range(len(CONTROLS))
NUM_CONTROLS = 32
"""Ids kept for controls; those not named yet are for the modalities to come."""

MAX_SLOT = 127
"""The last slot: how far a token's place in its run of audio or image elements is counted (see `layout.slots_of`)."""


@dataclass(frozen=True, kw_only=True)
class Plane:
    """A run of a codec's element numbers that share a meaning.

    `levels` are the levels of the finite scalar quantizer behind it, least significant digit first, or empty where
    the elements are not digits (text). `count` is how many elements of it stand in a row before the next plane comes:
    1 and 1 for two audio codebooks that alternate; 16 and 64 for a picture's planes; 0 for text, which has no pattern.
    """

    name: str
    size: int
    levels: tuple[int, ...] = ()
    count: int = 0


@dataclass(frozen=True, kw_only=True)
class CodecSpec:
    """What the stream must know of a codec: its modality, its planes, and which weights they came from.

    `slot_cycle` says how slots go on in a run that is longer than they count: the last so many of them repeat. With 1
    all further elements have the last slot. With the number of a frame's codebooks, a slot always tells an element's
    place in its frame, however long the sound; that is for codecs of more than two, where the id before tells less.
    """

    modality: Modality
    planes: tuple[Plane, ...]
    fingerprint: str
    slot_cycle: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.slot_cycle <= MAX_SLOT:
            raise ValueError(f"slot_cycle must be between 1 and {MAX_SLOT}, got {self.slot_cycle}; use fewer codebooks")

    @property
    def size(self) -> int:
        return sum(plane.size for plane in self.planes)

    @property
    def elements_per_cycle(self) -> int:
        """Elements in one pass over the planes: 2 for an audio frame of two codebooks, all of a picture."""
        return sum(plane.count for plane in self.planes)


@dataclass(frozen=True)
class PlaneRange:
    """Where a plane lives in the stream: ids `start` to `start + plane.size`."""

    modality: Modality
    plane: Plane
    start: int

    @property
    def stop(self) -> int:
        return self.start + self.plane.size


class Vocabulary:
    """Token ids of the stream, built from codec specs in the order text, audio, image."""

    def __init__(self, specs: Sequence[CodecSpec]) -> None:
        self.specs: dict[Modality, CodecSpec] = {spec.modality: spec for spec in specs}
        if [spec.modality for spec in specs] != ["text", "audio", "image"]:
            raise ValueError(f"codecs must come as text, audio, image, got {[spec.modality for spec in specs]}")
        self.ranges: list[PlaneRange] = []
        start = NUM_CONTROLS
        for spec in specs:
            for plane in spec.planes:
                self.ranges.append(PlaneRange(spec.modality, plane, start))
                start += plane.size
        self.size = start
        self._audio_start, self._image_start = self.start_of("audio"), self.start_of("image")

    def slot_cycle_of(self, token: int) -> int:
        """The `slot_cycle` of the codec that an id belongs to; 0 for text and controls, which have no slots."""
        if token < self._audio_start:
            return 0
        return self.specs["audio" if token < self._image_start else "image"].slot_cycle

    def start_of(self, modality: Modality) -> int:
        """The id of a codec's element 0."""
        return next(item.start for item in self.ranges if item.modality == modality)

    def planes_of(self, modality: Modality) -> list[PlaneRange]:
        return [item for item in self.ranges if item.modality == modality]

    def modality_of(self, token: int) -> Modality | None:
        """The codec that an id belongs to; None for a control token."""
        for item in self.ranges:
            if item.start <= token < item.stop:
                return item.modality
        return None

    def to_ids(self, modality: Modality, codes: Sequence[int]) -> list[int]:
        start = self.start_of(modality)
        return [start + code for code in codes]

    def to_codes(self, modality: Modality, ids: Sequence[int]) -> list[int]:
        start, size = self.start_of(modality), self.specs[modality].size
        if any(not start <= token < start + size for token in ids):
            raise ValueError(f"ids outside the {modality} range {start}..{start + size - 1}: {list(ids)[:8]}")
        return [token - start for token in ids]

    def to_json(self) -> dict[str, Any]:
        return {
            "controls": list(CONTROLS),
            "codecs": [
                {
                    "modality": spec.modality,
                    "fingerprint": spec.fingerprint,
                    "planes": [
                        {"name": p.name, "size": p.size, "levels": list(p.levels), "count": p.count}
                        for p in spec.planes
                    ],
                    **({"slot_cycle": spec.slot_cycle} if spec.slot_cycle > 1 else {}),
                }
                for spec in self.specs.values()
            ],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Vocabulary:
        if data["controls"] != list(CONTROLS):
            raise ValueError(
                f"control tokens differ: the file has {data['controls']}, this version has {list(CONTROLS)}"
            )
        return cls(
            [
                CodecSpec(
                    modality=item["modality"],
                    fingerprint=item["fingerprint"],
                    planes=tuple(Plane(**{**plane, "levels": tuple(plane["levels"])}) for plane in item["planes"]),
                    slot_cycle=item.get("slot_cycle", 1),
                )
                for item in data["codecs"]
            ]
        )

    def require(self, specs: Sequence[CodecSpec]) -> None:
        """Refuse codecs other than those this vocabulary was built from, naming both.

        Raises:
            ValueError: If a codec's planes or fingerprint differ.
        """
        for spec in specs:
            mine = self.specs[spec.modality]
            if spec != mine:
                raise ValueError(
                    f"the {spec.modality} codec {spec.fingerprint} is not the one the model was trained with, "
                    f"{mine.fingerprint}; load the codec from the model's own checkpoint folder"
                )
