"""Measure the image codec: are scenes still read right after it, and is what must not matter to a code without effect?

The rule reader judges, which never saw the codec; its own error on the undamaged pictures stands beside each ceiling.
Invariances are counted on canonical drawings, the ones a language model has to write.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from omniloom.codecs.image import ImageCodec
from omniloom.codecs.image.codec import COLOUR_GRID, COVERAGE_GRID, NUM_COLOURS, NUM_INK_CODES
from omniloom.core.randomness import generator
from omniloom.data.scene_reader import read_scene
from omniloom.data.scenes import (
    COLOURS,
    MAX_OBJECTS,
    POSITIONS,
    SHAPES,
    SIZES,
    Pairs,
    Scene,
    SceneObject,
    random_scene,
    render,
)
from omniloom.recipes.image_codec import emoji_pictures
from omniloom.stream.parts import Image


@dataclass(frozen=True, kw_only=True)
class Ceiling:
    """Shares of scenes read right in every field, as drawn and after the codec, and of objects' colour-shape pairs."""

    num_scenes: int
    drawn: float
    decoded: float
    decoded_pairs: float
    psnr_db: float


@dataclass(frozen=True, kw_only=True)
class ImageCodecMeasure:
    """Ceilings, shares of codes left alone by what must not change them, and cost."""

    jittered: Ceiling
    held_out_pairs: Ceiling
    canonical: Ceiling
    canonical_held_out_pairs: Ceiling
    coverage_kept_when_recoloured: float
    colour_kept_when_reshaped: float
    codes_kept_when_moved: float
    coverage_codes_used: int
    emoji_psnr_db: float | None
    encode_ms: float
    decode_ms: float
    num_parameters: int


def measure_image_codec(codec: ImageCodec, *, num_scenes: int = 1000) -> ImageCodecMeasure:
    """All of it, in about half a minute at a thousand scenes of each kind."""
    emoji = emoji_pictures(100, split="new")
    encode_ms, decode_ms = _cost_ms(codec)
    return ImageCodecMeasure(
        jittered=measure_ceiling(codec, pairs="train", is_jittered=True, num_scenes=num_scenes),
        held_out_pairs=measure_ceiling(codec, pairs="composed", is_jittered=True, num_scenes=num_scenes),
        canonical=measure_ceiling(codec, pairs="train", is_jittered=False, num_scenes=num_scenes),
        canonical_held_out_pairs=measure_ceiling(codec, pairs="composed", is_jittered=False, num_scenes=num_scenes),
        coverage_kept_when_recoloured=coverage_kept_when_recoloured(codec),
        colour_kept_when_reshaped=colour_kept_when_reshaped(codec),
        codes_kept_when_moved=codes_kept_when_moved(codec),
        coverage_codes_used=_coverage_codes_used(codec),
        emoji_psnr_db=_psnr_db(codec, _batch(emoji)) if emoji else None,
        encode_ms=encode_ms,
        decode_ms=decode_ms,
        num_parameters=sum(parameter.numel() for parameter in codec.parameters()),
    )


def measure_ceiling(codec: ImageCodec, *, pairs: Pairs, is_jittered: bool, num_scenes: int) -> Ceiling:
    """How many new scenes are read right before and after the codec."""
    rng = generator("image codec measure", pairs, int(is_jittered))
    scenes = [random_scene(rng, num_objects=1 + index % MAX_OBJECTS, pairs=pairs) for index in range(num_scenes)]
    drawn = [render(scene, jitter=rng if is_jittered else None) for scene in scenes]
    pixels = _batch(drawn)
    decoded = codec.decode_codes(codec.encode_pixels(pixels))
    read = [read_scene(Image((row.clamp(0, 1) * 255).round().to(torch.uint8))) for row in decoded]
    pairs_right = sum(len(_pairs(scene) & _pairs(found)) for scene, found in zip(scenes, read, strict=True))
    return Ceiling(
        num_scenes=num_scenes,
        drawn=sum(read_scene(image) == scene for image, scene in zip(drawn, scenes, strict=True)) / num_scenes,
        decoded=sum(found == scene for found, scene in zip(read, scenes, strict=True)) / num_scenes,
        decoded_pairs=pairs_right / sum(len(scene.objects) for scene in scenes),
        psnr_db=_psnr_db(codec, pixels),
    )


def coverage_kept_when_recoloured(codec: ImageCodec) -> float:
    """Share of inked patches with the same coverage code in every colour."""
    same = total = 0
    for shape in SHAPES:
        for size in SIZES:
            codes = _coverage(_canonical_codes(codec, [(shape, colour, size, POSITIONS[0]) for colour in COLOURS]))
            inked = (codes != _coverage(codec.empty_codes()[None])).any(dim=0)
            same += int((codes == codes[:1]).all(dim=0)[inked].sum())
            total += int(inked.sum())
    return same / total


def colour_kept_when_reshaped(codec: ImageCodec) -> float:
    """Share of the quadrant's four blocks with the same colour code in every shape and size."""
    same = total = 0
    for colour in COLOURS:
        kinds = [(shape, colour, size, POSITIONS[0]) for shape in SHAPES for size in SIZES]
        blocks = _quadrant(_canonical_codes(codec, kinds), 0)[0].flatten(1)
        same += int((blocks == blocks[0, 0]).sum())
        total += blocks.numel()
    return same / total


def codes_kept_when_moved(codec: ImageCodec) -> float:
    """Share of a quadrant's twenty codes that stay when its object is drawn in another quadrant."""
    same = total = 0
    for shape in SHAPES:
        for size in SIZES:
            for colour in COLOURS:
                codes = _canonical_codes(codec, [(shape, colour, size, position) for position in POSITIONS])
                tiles = [
                    torch.cat([part[0].flatten() for part in _quadrant(codes[index : index + 1], index)])
                    for index in range(len(POSITIONS))
                ]
                same += sum(int((tile == tiles[0]).sum()) for tile in tiles[1:])
                total += 3 * len(tiles[0])
    return same / total


def _canonical_codes(codec: ImageCodec, kinds: list[tuple[str, str, str, str]]) -> Int[Tensor, "B codes"]:
    """Codes of scenes of one object each: shape, colour, size, position."""
    scenes = [Scene((SceneObject(shape=s, colour=c, size=z, position=p),)) for s, c, z, p in kinds]
    return codec.encode_pixels(_batch([render(scene) for scene in scenes]))


def _coverage(codes: Int[Tensor, "B codes"]) -> Int[Tensor, "B 64"]:
    return codes[:, NUM_COLOURS:NUM_INK_CODES]


def _quadrant(codes: Int[Tensor, "B codes"], index: int) -> tuple[Int[Tensor, "B 2 2"], Int[Tensor, "B 4 4"]]:
    """A quadrant's colour and coverage codes."""
    row, column = divmod(index, 2)
    colour = codes[:, :NUM_COLOURS].unflatten(1, (2, COLOUR_GRID // 2, 2, COLOUR_GRID // 2))
    coverage = _coverage(codes).unflatten(1, (2, COVERAGE_GRID // 2, 2, COVERAGE_GRID // 2))
    return colour[:, row, :, column], coverage[:, row, :, column]


def _coverage_codes_used(codec: ImageCodec) -> int:
    rng = generator("image codec measure", "codes")
    scenes = [random_scene(rng, num_objects=MAX_OBJECTS, pairs="train") for _ in range(500)]
    codes = codec.encode_pixels(_batch([render(scene, jitter=rng) for scene in scenes]))
    return int(_coverage(codes).unique().numel())


def _pairs(scene: Scene | None) -> set[tuple[str, str, str]]:
    return set() if scene is None else {(item.position, item.colour, item.shape) for item in scene.objects}


def _batch(images: list[Image]) -> Float[Tensor, "B 3 64 64"]:
    return torch.stack([image.pixels for image in images]).float() / 255


def _psnr_db(codec: ImageCodec, pixels: Float[Tensor, "B 3 64 64"]) -> float:
    """Mean over pictures of the peak signal-to-noise ratio."""
    error = ((codec.decode_codes(codec.encode_pixels(pixels)) - pixels) ** 2).mean(dim=(1, 2, 3))
    return float((-10 * error.clamp(min=1e-10).log10()).mean())


def _cost_ms(codec: ImageCodec, *, num_repeats: int = 30) -> tuple[float, float]:
    """Milliseconds of one picture alone, encoded and decoded, on the threads that torch has."""
    image = render(random_scene(generator("image codec measure", "cost"), num_objects=MAX_OBJECTS, pairs="train"))
    codes = codec.encode(image)
    codec.decode(codes)
    started_s = time.perf_counter()
    for _ in range(num_repeats):
        codec.encode(image)
    encoded_s = time.perf_counter()
    for _ in range(num_repeats):
        codec.decode(codes)
    decoded_s = time.perf_counter()
    return 1000 * (encoded_s - started_s) / num_repeats, 1000 * (decoded_s - encoded_s) / num_repeats
