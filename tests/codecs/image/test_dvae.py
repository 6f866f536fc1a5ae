"""The discrete VAE: its density is one, it is an ordinary codec, and both bottlenecks stand behind one interface."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor

from omniloom.codecs.bundle import load_codec
from omniloom.codecs.image import ImageCodec
from omniloom.codecs.image.dvae import ConvolutionSizes, DiscreteVAE, FiniteScalar, GumbelSoftmax
from omniloom.codecs.image.dvae.likelihood import (
    logit_laplace_log_density,
    map_pixels,
    pixel_nll,
    unmap_pixels,
)
from omniloom.codecs.image.dvae.networks import Decoder, Encoder, paper
from omniloom.core.randomness import seeded, torch_generator
from omniloom.stream.parts import Image

BOTTLENECKS = [GumbelSoftmax.Config(num_codes=32), FiniteScalar.Config(levels=(4, 4, 2))]


def codec_with(bottleneck: GumbelSoftmax.Config | FiniteScalar.Config) -> DiscreteVAE:
    sizes = ConvolutionSizes(width=8, num_groups=3, decoder_width=8)
    with seeded("untrained discrete VAE"):
        codec = DiscreteVAE(DiscreteVAE.Config(side=16, sizes=sizes, bottleneck=bottleneck))
    codec.round_weights()
    return codec.eval()


@pytest.fixture(params=BOTTLENECKS, ids=["gumbel", "fsq"])
def codec(request: pytest.FixtureRequest) -> DiscreteVAE:
    return codec_with(request.param)


@pytest.fixture
def pixels() -> Tensor:
    return torch.rand(5, 3, 16, 16, generator=torch_generator("pixels"))


@pytest.mark.parametrize("location", [-2.0, 0.0, 1.5])
@pytest.mark.parametrize("log_scale", [-1.0, 0.0, 0.5])
def test_the_density_integrates_to_one(location: float, log_scale: float) -> None:
    """By the midpoint rule over logits: x = sigmoid(u), dx = x (1 - x) du, far into both tails."""
    step = 2e-3
    logits = torch.arange(-60, 60, step, dtype=torch.float64) + step / 2
    # Beyond 30 a float64 sigmoid is 1, whose logit is none; what lies there has less than e^-15 of the weight.
    values = torch.sigmoid(logits[logits.abs() < 30])
    scale = torch.full_like(values, log_scale)
    density = logit_laplace_log_density(values, torch.full_like(values, location), scale).exp()
    assert float((density * values * (1 - values)).sum() * step) == pytest.approx(1, abs=1e-5)


def test_the_density_is_the_published_formula() -> None:
    """1 / (2 b x (1 - x)) exp(-|logit x - mu| / b) at x = 0.7, mu = 0.2, b = 0.5."""
    found = logit_laplace_log_density(torch.tensor(0.7), torch.tensor(0.2), torch.tensor(0.5).log())
    assert float(found.exp()) == pytest.approx(1.304803, rel=1e-6)


def test_pixels_move_to_a_tenth_and_nine_tenths_and_back() -> None:
    assert map_pixels(torch.tensor([0.0, 0.5, 1.0])).tolist() == pytest.approx([0.1, 0.5, 0.9])
    values = torch.linspace(0, 1, 256)
    torch.testing.assert_close(unmap_pixels(map_pixels(values)), values, rtol=0, atol=1e-6)
    assert unmap_pixels(torch.tensor([0.0, 1.0])).tolist() == [0.0, 1.0]


def test_the_likelihood_is_greatest_where_the_location_is_the_pixel(pixels: Tensor) -> None:
    right = torch.cat([torch.logit(map_pixels(pixels)), torch.zeros_like(pixels)], dim=1)
    assert pixel_nll(pixels, right) < pixel_nll(pixels, torch.cat([right[:, :3] + 0.1, right[:, 3:]], dim=1))


def test_a_saved_codec_gives_the_same_codes_and_pictures(codec: DiscreteVAE, pixels: Tensor, tmp_path: Path) -> None:
    codec.save(tmp_path / "codec")
    loaded = load_codec(tmp_path / "codec", "image")
    assert loaded.spec == codec.spec
    codes = codec.encode_pixels(pixels)
    assert torch.equal(loaded.encode_pixels(pixels), codes)
    assert torch.equal(loaded.decode_pixels(codes), codec.decode_pixels(codes))


def test_a_row_has_the_same_codes_alone_and_in_a_batch(codec: DiscreteVAE, pixels: Tensor) -> None:
    together = codec.encode_pixels(pixels)
    assert together.shape == (5, codec.num_codes) == (5, 16)
    assert torch.equal(together, torch.cat([codec.encode_pixels(row[None]) for row in pixels]))
    assert 0 <= int(together.min()) <= int(together.max()) < 32


def test_a_picture_goes_there_and_back(codec: DiscreteVAE, pixels: Tensor) -> None:
    image = Image((pixels[0] * 255).round().to(torch.uint8))
    codes = codec.encode(image)
    assert codec.decode(codes).pixels.shape == (3, 16, 16)
    assert torch.equal(codec.decode_partial(codes).pixels, codec.decode(codes).pixels)
    started = codec.decode_partial(codes[:4]).pixels
    assert bool((started[:, 4:] == 255).all())


def test_frames_are_a_quarter_as_many_codes(codec: DiscreteVAE, pixels: Tensor) -> None:
    codes = codec.encode_frames(pixels[:, :, :8, :8])
    assert codes.shape == (5, 4)
    assert codec.decode_frames(codes).shape == (5, 3, 8, 8)


def test_the_fingerprint_changes_with_a_weight(codec: DiscreteVAE) -> None:
    before = codec.spec.fingerprint
    with torch.no_grad():
        next(codec.parameters()).add_(0.5)
    assert codec.spec.fingerprint != before


def test_relaxed_codes_become_the_codes_as_the_temperature_falls(pixels: Tensor) -> None:
    codec = codec_with(GumbelSoftmax.Config(num_codes=32))
    features = codec.encoder(map_pixels(pixels)).detach()
    relaxed = codec.bottleneck.relax(features, temperature=1e-4, noise=None)
    hard = codec.bottleneck.values(codec.bottleneck.codes(features))
    assert float((relaxed.values - hard).abs().mean()) < 1e-3
    warm = codec.bottleneck.relax(features, temperature=1.0, noise=torch_generator("noise"))
    torch.testing.assert_close(warm.values.sum(1), torch.ones(5, 4, 4))


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_gumbel_draws_follow_the_logits(scale: float) -> None:
    """Of 40,000 draws, each share lies within five standard errors of its probability, softmax(logits / scale)."""
    logits = torch.tensor([0.0, 1.0, 2.0])
    many = logits.view(1, 3, 1, 1).expand(1, 3, 200, 200)
    bottleneck = GumbelSoftmax.Config(num_codes=3).build()
    noise = torch_generator("draws")
    drawn = bottleneck.relax(many, temperature=1e-3, noise=noise, noise_scale=scale).values.argmax(1)
    shares = torch.bincount(drawn.flatten(), minlength=3) / drawn.numel()
    torch.testing.assert_close(shares, (logits / scale).softmax(0), rtol=0, atol=5 * 0.5 / 200)


def test_noise_of_no_scale_is_no_noise(pixels: Tensor) -> None:
    codec = codec_with(GumbelSoftmax.Config(num_codes=32))
    silent = codec(pixels, temperature=0.5, noise=torch_generator("noise"), noise_scale=0.0)
    assert torch.equal(silent.outputs, codec(pixels, temperature=0.5, noise=None).outputs)
    noisy = codec(pixels, temperature=0.5, noise=torch_generator("noise"), noise_scale=0.1)
    assert not torch.equal(noisy.outputs, silent.outputs)


def test_the_divergence_is_none_for_even_codes_and_log_k_for_sure_ones() -> None:
    bottleneck = GumbelSoftmax.Config(num_codes=8).build()
    even = bottleneck.relax(torch.zeros(1, 8, 2, 2), temperature=1.0, noise=None).kl
    sure = bottleneck.relax(100 * torch.eye(8)[:1, :, None, None].expand(1, 8, 2, 2), temperature=1.0, noise=None).kl
    assert float(even) == pytest.approx(0, abs=1e-6)
    assert float(sure) == pytest.approx(2.0794415, rel=1e-6)


def test_the_published_networks_have_the_published_shapes() -> None:
    """Eight blocks, each residual path scaled by 1/64, features of width 2,048 before 8,192 codes; factor 8."""
    sizes = paper()
    assert (sizes.gain, sizes.factor) == (1 / 64, 8)
    with torch.device("meta"):
        encoder, decoder = Encoder(sizes, 8192), Decoder(sizes, 8192)
        logits = encoder(torch.empty(1, 3, 256, 256))
        assert logits.shape == (1, 8192, 32, 32)
        assert decoder(logits).shape == (1, 6, 256, 256)
    assert encoder.steps.stem.kernel_size == (7, 7)
    assert encoder.steps.out.in_channels == 2048
    assert sum(name.startswith("pool") for name, _ in encoder.steps.named_children()) == 3
    assert sum(p.numel() for p in encoder.parameters()) == 53_786_240 == _published_weights(is_encoder=True)
    assert sum(p.numel() for p in decoder.parameters()) == _published_weights(is_encoder=False)


def _published_weights(*, is_encoder: bool) -> int:
    """Weights and biases of width 256, four groups of two blocks and 8,192 codes, counted layer by layer."""

    def layer(before: int, after: int, kernel: int) -> int:
        return before * after * kernel**2 + after

    def block(before: int, after: int) -> int:
        inner = after // 4
        ends = (3, 1) if is_encoder else (1, 3)
        path = layer(before, inner, ends[0]) + 2 * layer(inner, inner, 3) + layer(inner, after, ends[1])
        return path + (layer(before, after, 1) if before != after else 0)

    widths = [256, 256, 512, 1024, 2048] if is_encoder else [128, 2048, 1024, 512, 256]
    groups = sum(block(before, after) + block(after, after) for before, after in pairwise(widths))
    if is_encoder:
        return layer(3, 256, 7) + groups + layer(2048, 8192, 1)
    return layer(8192, 128, 1) + groups + layer(256, 6, 1)


def test_wrong_codes_are_refused(codec: DiscreteVAE) -> None:
    with pytest.raises(ValueError, match="16 codes, got 3"):
        codec.decode([1, 2, 3])
    with pytest.raises(ValueError, match=r"must lie in 0\.\.31, got 0\.\.32"):
        codec.decode([32] + 15 * [0])
    with pytest.raises(ValueError, match=r"shape \(3, 16, 16\), got \(3, 8, 8\)"):
        codec.encode_pixels(torch.zeros(1, 3, 8, 8))


def test_a_foreign_folder_is_refused(codec: DiscreteVAE, tmp_path: Path) -> None:
    ImageCodec().save(tmp_path / "other")
    with pytest.raises(ValueError, match="holds no discrete VAE"):
        DiscreteVAE.load(tmp_path / "other")
    codec.save(tmp_path / "own")
    (tmp_path / "own" / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(ValueError, match="torn"):
        DiscreteVAE.load(tmp_path / "own")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DiscreteVAE.Config(side=20), "multiple of 16"),
        (lambda: ConvolutionSizes(width=6), "multiple of 4"),
        (lambda: GumbelSoftmax.Config(num_codes=1), "at least 2"),
    ],
)
def test_sizes_that_cannot_be_are_refused(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()  # type: ignore[operator]
