"""One vocabulary for every codec: control tokens first, then a contiguous range for each codec.

A codec numbers its elements from 0 in planes laid end to end (audio: one plane for each codebook; image: a colour and
a coverage plane). The vocabulary shifts them to where they live in the stream and keeps each codec's fingerprint, so
that a checkpoint can refuse a codec that it was not trained with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

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
    "<video>",
    "<frame>",
    "<turn_end>",
)
PAD, BOS, USER, ASSISTANT, WANT_TEXT, WANT_AUDIO, WANT_IMAGE, AUDIO, IMAGE, END, VIDEO, FRAME, TURN_END = range(
    len(CONTROLS)
)
NUM_CONTROLS = 32
"""Ids kept for controls; those not named yet are for what is to come."""

MAX_SLOT = 127
"""The last slot: how far a token's place in its run of audio or image elements is counted (see `folding`)."""


ABSENT = "absent"
"""In place of the name of a plane, and of a fingerprint, where a model does not know a modality (`absent_spec`)."""


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

    `groups` says which elements of one pass over the planes a prompt shows as one position: for two codebooks
    ((0, 1),), for a picture a block's colour with the silhouettes in it. Empty means one position each. `frame_groups`
    says the same of a frame of a video. With `folds_replies` they are one position in replies too and are predicted
    together; that is for elements that tell little of one another once it is known what is said or drawn.

    Where there are groups, the stream holds a pass's elements in their order, so that a group's stand side by side.

    `slot_cycle` says how slots go on in a run that is longer than they count: the last so many of them repeat. With 1
    all further elements have the last slot. With the number of a frame's codebooks, a slot always tells an element's
    place in its frame, however long the sound; that is for codecs of more than two, where the id before tells less.
    """

    modality: Modality
    planes: tuple[Plane, ...]
    fingerprint: str
    slot_cycle: int = 1
    groups: tuple[tuple[int, ...], ...] = ()
    frame_groups: tuple[tuple[int, ...], ...] = ()
    folds_replies: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.slot_cycle <= MAX_SLOT:
            raise ValueError(f"slot_cycle must be between 1 and {MAX_SLOT}, got {self.slot_cycle}; use fewer codebooks")
        if self.groups and sorted(flattened(self.groups)) != list(range(self.elements_per_cycle)):
            raise ValueError(f"groups must hold each of {self.elements_per_cycle} elements once, got {self.groups}")
        if self.folds_replies and not self.groups:
            raise ValueError("folds_replies needs groups to say which elements stand together")

    @property
    def size(self) -> int:
        return sum(plane.size for plane in self.planes)

    @property
    def elements_per_cycle(self) -> int:
        """Elements in one pass over the planes: 2 for an audio frame of two codebooks, all of a picture."""
        return sum(plane.count for plane in self.planes)

    def in_groups(self, codes: Sequence[int], *, is_frame: bool = False) -> list[int]:
        """Codes in the order of their planes, put in that of the stream; `is_frame` for a frame of a video.

        Raises:
            ValueError: If there are groups and the last pass over the planes is not whole.
        """
        order = flattened(self.frame_groups if is_frame else self.groups)
        return [codes[start + place] for start in self._passes(codes, order) for place in order] or [*codes]

    def from_groups(self, codes: Sequence[int]) -> list[int]:
        """Whole passes in the order of the stream, put back in that of their planes."""
        order = flattened(self.groups)
        places = sorted(range(len(order)), key=order.__getitem__)
        return [codes[start + place] for start in self._passes(codes, order) for place in places] or [*codes]

    def _passes(self, codes: Sequence[int], order: Sequence[int]) -> range:
        """Where each pass over the planes starts; nowhere without groups."""
        if order and len(codes) % len(order):
            raise ValueError(
                f"{len(codes)} {self.modality} codes are not a whole number of {len(order)}; give whole frames and "
                "pictures"
            )
        return range(0, len(codes) if order else 0, max(1, len(order)))


def absent_spec(modality: Modality) -> CodecSpec:
    """Of sound or pictures that a model does not know: one id, which is never used."""
    return CodecSpec(modality=modality, planes=(Plane(name=ABSENT, size=1, count=1),), fingerprint=ABSENT)


def flattened(groups: Sequence[Sequence[int]]) -> list[int]:
    """All groups' elements in a row."""
    return [place for group in groups for place in group]


@dataclass(frozen=True)
class PlaneRange:
    """Where a plane lives in the stream: ids `start` to `start + plane.size`."""

    modality: Modality
    plane: Plane
    start: int

    @property
    def stop(self) -> int:
        return self.start + self.plane.size


class ReplyPlace(NamedTuple):
    """Ids `start` to `stop - 1` may stand at `place`, from 1 on, of a reply's position that holds several ids."""

    modality: Modality
    place: int
    start: int
    stop: int


class Vocabulary:
    """Token ids of the stream, built from codec specs in the order text, audio, image.

    `controls` are those that the model knows: all of this version's, or of an older model the first of them.
    """

    def __init__(self, specs: Sequence[CodecSpec], *, controls: Sequence[str] = CONTROLS) -> None:
        self.controls = tuple(controls)
        if self.controls != CONTROLS[: len(self.controls)]:
            raise ValueError(f"control tokens differ: given are {list(controls)}, this version has {list(CONTROLS)}")
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
        self._modalities: list[Modality | None] = [None] * NUM_CONTROLS
        self._starts: dict[Modality, int] = {}
        for item in self.ranges:
            self._modalities += [item.modality] * item.plane.size
            self._starts.setdefault(item.modality, item.start)
        self._audio_start, self._image_start = self.start_of("audio"), self.start_of("image")
        self.reply_places = tuple(place for modality in self.specs for place in self._reply_places_of(modality))
        """What is predicted beside the first id of a position, in the order of modalities and places."""

    def knows(self, modality: Modality) -> bool:
        """Whether the model takes and gives this modality; text it always does."""
        return self.specs[modality].fingerprint != ABSENT

    @property
    def has_video(self) -> bool:
        """Whether the model knows videos."""
        return len(self.controls) > FRAME

    @property
    def has_turn_end(self) -> bool:
        """Whether the model says at every frame of sound if the other has finished."""
        return len(self.controls) > TURN_END

    @property
    def max_group(self) -> int:
        """The most ids that one position holds (see `folding`)."""
        groups = [group for spec in self.specs.values() for group in (*spec.groups, *spec.frame_groups)]
        return max(map(len, groups), default=1)

    @property
    def num_scores(self) -> int:
        """Scores that a model gives after a position: of all ids as the next one's first, then of `reply_places`."""
        return self.size + sum(place.stop - place.start for place in self.reply_places)

    def score_shift(self, modality: Modality, place: int) -> int:
        """How much further than its own number an id's score stands, as the next position's id at `place`."""
        first = self.size
        for own in self.reply_places if place else ():
            if (own.modality, own.place) == (modality, place):
                return first - own.start
            first += own.stop - own.start
        return 0

    def elements_of(self, modality: Modality) -> list[PlaneRange]:
        """The plane of each element of one pass, in the order of the stream."""
        found = [item for item in self.planes_of(modality) for _ in range(item.plane.count)]
        return [found[place] for place in flattened(self.specs[modality].groups)] or found

    def run_of(self, token: int) -> Modality | None:
        """The modality of an element of sound or picture; None for text and controls."""
        if token < self._audio_start:
            return None
        return "audio" if token < self._image_start else "image"

    def slot_cycle_of(self, token: int) -> int:
        """The `slot_cycle` of the codec that an id belongs to; 0 for text and controls, which have no slots."""
        if token < self._audio_start:
            return 0
        return self.specs["audio" if token < self._image_start else "image"].slot_cycle

    def start_of(self, modality: Modality) -> int:
        """The id of a codec's element 0."""
        return self._starts[modality]

    def planes_of(self, modality: Modality) -> list[PlaneRange]:
        return [item for item in self.ranges if item.modality == modality]

    def modality_of(self, token: int) -> Modality | None:
        """The codec that an id belongs to; None for a control token."""
        return self._modalities[token] if 0 <= token < self.size else None

    def _reply_places_of(self, modality: Modality) -> list[ReplyPlace]:
        if not self.specs[modality].folds_replies:
            return []
        found: dict[int, list[PlaneRange]] = {}
        elements = iter(self.elements_of(modality))
        for group in self.specs[modality].groups:
            for place in range(len(group)):
                found.setdefault(place, []).append(next(elements))
        return [
            ReplyPlace(modality, place, min(item.start for item in own), max(item.stop for item in own))
            for place, own in sorted(found.items())
            if place
        ]

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
            "controls": list(self.controls),
            "codecs": [
                {
                    "modality": spec.modality,
                    "fingerprint": spec.fingerprint,
                    "planes": [
                        {"name": p.name, "size": p.size, "levels": list(p.levels), "count": p.count}
                        for p in spec.planes
                    ],
                    **({"slot_cycle": spec.slot_cycle} if spec.slot_cycle > 1 else {}),
                    **({"groups": [list(group) for group in spec.groups]} if spec.groups else {}),
                    **({"frame_groups": [list(group) for group in spec.frame_groups]} if spec.frame_groups else {}),
                    **({"folds_replies": True} if spec.folds_replies else {}),
                }
                for spec in self.specs.values()
            ],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Vocabulary:
        return cls(
            [
                CodecSpec(
                    modality=item["modality"],
                    fingerprint=item["fingerprint"],
                    planes=tuple(Plane(**{**plane, "levels": tuple(plane["levels"])}) for plane in item["planes"]),
                    slot_cycle=item.get("slot_cycle", 1),
                    groups=tuple(map(tuple, item.get("groups", ()))),
                    frame_groups=tuple(map(tuple, item.get("frame_groups", ()))),
                    folds_replies=item.get("folds_replies", False),
                )
                for item in data["codecs"]
            ],
            controls=data["controls"],
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
