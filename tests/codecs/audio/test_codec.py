"""The audio codec: chunked equals whole, batched equals alone, saved equals loaded; bad codes are named."""

import dataclasses
import json
import math

import pytest
import torch

from omniloom.codecs.audio import AudioCodec
from omniloom.codecs.audio.decoder import Decoder
from omniloom.codecs.audio.encoder import MAX_PAST_FRAMES, Encoder
from omniloom.codecs.audio.spectrum import NUM_PAST_SAMPLES, RATE_HZ, SAMPLES_PER_FRAME
from omniloom.core.checkpoint import write_folder
from omniloom.core.config import to_dict
from omniloom.kernels import native
from omniloom.layers.prepared import in_double, prepared
from omniloom.stream.parts import Audio

CONFIG = AudioCodec.Config(
    encoder=Encoder.Config(width=48, num_blocks=1),
    decoder=Decoder.Config(width=48, hop_width=24, num_bands=40),
    pitch_width=16,
)


def make_codec() -> AudioCodec:
    """An untrained codec whose codes and envelopes nevertheless move with the sound."""
    torch.manual_seed(3)
    codec = AudioCodec(CONFIG)
    with torch.no_grad():
        codec.encoder.out.weight *= 6
        codec.decoder.out.weight *= 3
        for pitch in codec.pitch:
            pitch.layers[2].weight *= 3
    codec.round_weights()
    return codec.eval()


@pytest.fixture(scope="module")
def codec() -> AudioCodec:
    return make_codec()


@pytest.fixture(scope="module")
def samples() -> torch.Tensor:
    """Two seconds of gliding buzz, noise and silence."""
    time = torch.arange(2 * RATE_HZ) / RATE_HZ
    buzz = sum(torch.sin(2 * math.pi * k * (120 * time + 40 * time**2)) / k for k in range(1, 12))
    noise = torch.randn(time.shape, generator=torch.Generator().manual_seed(1))
    loud = (torch.sin(2 * math.pi * 1.5 * time) > -0.5).float()
    return (0.2 * buzz * loud + 0.03 * noise * (time > 1))[: 2 * RATE_HZ - 250]


@pytest.mark.parametrize("size", [1, 100, 640, 1000, 40_000])
def test_streamed_encoding_equals_whole(codec, samples, size):
    samples = samples[: 6 * 640 + 37] if size == 1 else samples
    whole = codec.encode(Audio(samples, RATE_HZ))
    stream = codec.encoder_stream()
    codes = [code for piece in samples.split(size) for code in stream.push(piece)] + stream.flush()
    assert codes == whole
    assert len(whole) == 2 * math.ceil(samples.numel() / SAMPLES_PER_FRAME)


@pytest.mark.parametrize("size", [1, 2, 3, 14, 1000])
def test_streamed_decoding_equals_whole(codec, size):
    codes = random_codes(12 if size < 3 else 60)
    whole = codec.decode(codes).samples
    stream = codec.decoder_stream()
    pieces = [stream.push(codes[start : start + size]) for start in range(0, len(codes), size)]
    torch.testing.assert_close(torch.cat(pieces), whole, rtol=0, atol=1e-5)


def test_long_streams_do_not_drift(codec):
    codes = random_codes(500)  # 20 s: a clock kept in floats has parted by then
    stream = codec.decoder_stream()
    pieces = [stream.push(codes[start : start + 50]) for start in range(0, len(codes), 50)]
    torch.testing.assert_close(torch.cat(pieces), codec.decode(codes).samples, rtol=0, atol=1e-5)


def test_each_frame_gives_its_samples_at_once(codec):
    stream = codec.decoder_stream()
    assert [stream.push([code]).numel() for code in random_codes(3)] == [0, 640, 0, 640, 0, 640]


def test_batched_equals_alone(codec, samples):
    rows = torch.stack([samples[:16_000], samples[9_000:25_000], -0.5 * samples[4_000:20_000]])
    codes = codec.encode_samples(rows)
    sound = codec.decode_frames(codes)
    for row, row_codes, row_sound in zip(rows, codes, sound, strict=True):
        assert torch.equal(codec.encode_samples(row[None])[0], row_codes)
        torch.testing.assert_close(codec.decode_frames(row_codes[None])[0], row_sound, rtol=0, atol=1e-5)


def test_codes_forget_what_came_before(codec, samples):
    """The receptive field: with one tap a code depends on its own frame and the 30 ms before it."""
    changed = samples.clone()
    changed[: 10 * SAMPLES_PER_FRAME - NUM_PAST_SAMPLES] = 0
    before, after = codec.encode_samples(torch.stack([samples, changed])).unbind()
    assert not torch.equal(before[:9], after[:9])
    assert torch.equal(before[10:], after[10:])


def test_more_taps_look_back_as_far_as_the_limit(samples):
    torch.manual_seed(3)
    config = Encoder.Config(width=48, num_blocks=1, taps=MAX_PAST_FRAMES)
    encoder = Encoder(config, num_channels=8)
    changed = samples[: 30 * SAMPLES_PER_FRAME].clone()
    changed[: 10 * SAMPLES_PER_FRAME] = 0
    z = encoder(torch.stack([samples[: 30 * SAMPLES_PER_FRAME], changed]))[0]
    differs = (z[0] != z[1]).any(-1).nonzero()[:, 0]
    assert differs.max() == 10 + MAX_PAST_FRAMES - 1


def test_encoding_never_looks_ahead(codec, samples):
    changed = samples.clone()
    changed[20 * SAMPLES_PER_FRAME :] = 0
    before, after = codec.encode_samples(torch.stack([samples, changed])).unbind()
    assert torch.equal(before[:20], after[:20])


def test_saved_equals_loaded(codec, samples, tmp_path):
    codec.save(tmp_path / "codec")
    loaded = AudioCodec.load(tmp_path / "codec")
    assert loaded.spec == codec.spec
    assert loaded.config == codec.config
    codes = codec.encode(Audio(samples, RATE_HZ))
    assert loaded.encode(Audio(samples, RATE_HZ)) == codes
    assert torch.equal(loaded.decode(codes).samples, codec.decode(codes).samples)


def test_levels_are_the_number_of_codes(samples, tmp_path):
    torch.manual_seed(3)
    codec = AudioCodec(dataclasses.replace(CONFIG, levels=(5, 5, 4, 3, 3)))
    codec.save(tmp_path / "codec")
    loaded = AudioCodec.load(tmp_path / "codec")
    assert loaded.spec == codec.eval().spec and [plane.size for plane in loaded.spec.planes] == [900, 900]
    assert [plane.levels for plane in loaded.spec.planes] == [(5, 5, 4, 3, 3)] * 2
    codes = loaded.encode(Audio(samples, RATE_HZ))
    assert all(900 * (place % 2) <= code < 900 * (place % 2) + 900 for place, code in enumerate(codes))
    assert loaded.decode(codes).samples.numel() == 320 * len(codes)


def test_a_folder_from_before_levels_has_those_of_then(codec, tmp_path):
    config = {name: value for name, value in to_dict(codec.config).items() if name != "levels"}
    codec.save(tmp_path / "codec")

    def write(path):
        (path / "model.safetensors").write_bytes((tmp_path / "codec" / "model.safetensors").read_bytes())
        (path / "config.json").write_text(json.dumps({"kind": "audio_codec", **config}))

    write_folder(tmp_path / "old", write)
    assert AudioCodec.load(tmp_path / "old").spec == codec.spec


def test_fingerprint_follows_the_encoder_alone(codec):
    """A decoder trained further still speaks the codes that a model knows."""
    other = make_codec()
    assert other.spec == codec.spec
    with torch.no_grad():
        other.decoder.out.bias[0] += 1
    other.round_weights()
    assert other.spec == codec.spec
    with torch.no_grad():
        other.encoder.out.bias[0] += 1
    other.round_weights()
    assert other.spec.fingerprint != codec.spec.fingerprint


def test_spec_describes_the_codes(codec, samples):
    codes = codec.encode(Audio(samples, RATE_HZ))
    first, second = codec.spec.planes
    assert (first.size, second.size, codec.spec.elements_per_cycle) == (1000, 1000, 2)
    assert all(0 <= code < 1000 for code in codes[::2])
    assert all(1000 <= code < 2000 for code in codes[1::2])
    assert len(set(codes)) > 20  # the test would be empty if the sound left the codes where they are


def test_other_rates_are_resampled(codec, samples):
    audio = Audio(samples, RATE_HZ).resampled(24_000)
    assert len(codec.encode(audio)) == 2 * math.ceil(samples.numel() / SAMPLES_PER_FRAME)


def test_gradients_reach_every_weight(samples):
    codec = AudioCodec(CONFIG)
    trip = codec(samples[None, : 10 * SAMPLES_PER_FRAME])
    (trip.samples.square().mean() + trip.octaves.mean()).backward()
    missing = [name for name, weight in codec.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert missing == []


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        ([], "codes are empty"),
        ([5], "the last frame is unfinished"),
        ([5, 5], r"audio code 5 at place 1 must lie in 1000\.\.1999"),
        ([1000, 1000], r"audio code 1000 at place 0 must lie in 0\.\.999"),
        ([-1, 1000], r"audio code -1 at place 0"),
    ],
)
def test_bad_codes_are_named(codec, codes, message):
    with pytest.raises(ValueError, match=message):
        codec.decode(codes)


def test_a_folder_without_a_codec_is_refused(tmp_path):
    write_folder(tmp_path / "other", lambda path: (path / "notes.txt").write_text("hello"))
    with pytest.raises(ValueError, match="holds no audio codec"):
        AudioCodec.load(tmp_path / "other")


def test_a_torn_folder_is_refused(codec, tmp_path):
    codec.save(tmp_path / "codec")
    weights = tmp_path / "codec" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ValueError, match="is torn"):
        AudioCodec.load(tmp_path / "codec")


def test_too_long_a_look_back_is_refused():
    with pytest.raises(ValueError, match="looks back 5 frames, at most 3"):
        Encoder.Config(taps=5)


def test_native_equals_torch(samples, monkeypatch):
    native, by_torch = make_codec(), make_codec()
    codes = native.encode(Audio(samples, RATE_HZ))
    found = native.decode(codes).samples
    monkeypatch.setenv("OMNILOOM_ISA", "reference")
    assert by_torch.encode(Audio(samples, RATE_HZ)) == codes
    torch.testing.assert_close(found, by_torch.decode(codes).samples, rtol=0, atol=1e-5)


@pytest.mark.skipif(not native.instruction_sets(), reason="there is no native library")
@pytest.mark.parametrize("taps", [1, 2, MAX_PAST_FRAMES])
@pytest.mark.parametrize("size", [1, 7, 49])
def test_the_encoder_for_inference_equals_torch_in_double(samples, taps, size):
    torch.manual_seed(3)
    encoder = Encoder(Encoder.Config(width=48, num_blocks=2, taps=taps), num_channels=8).requires_grad_(False)
    form, rows = prepared(encoder), torch.stack([samples, -0.5 * samples]).double()[:, : 49 * SAMPLES_PER_FRAME]
    expected = in_double(encoder)(rows)[0]
    state, found = None, []
    for piece in rows.split(size * SAMPLES_PER_FRAME, dim=1):
        values, state = form(piece, state)
        found.append(values)
    assert expected.dtype == torch.float64
    torch.testing.assert_close(torch.cat(found, dim=1), expected, rtol=0, atol=1e-12)


def test_changed_weights_are_heard_at_once(codec):
    """What decoding prepared is not that of weights from before, whichever way they changed."""
    codes, changed = random_codes(5), make_codec()
    assert torch.equal(changed.decode(codes).samples, codec.decode(codes).samples)
    state = {name: 1.5 * value for name, value in codec.state_dict().items()}
    changed.load_state_dict(state)
    loud = changed.decode(codes).samples
    assert not torch.allclose(loud, codec.decode(codes).samples, atol=1e-3)
    fresh = AudioCodec(CONFIG).eval()
    fresh.load_state_dict(state)
    assert torch.equal(loud, fresh.decode(codes).samples)
    trained = make_codec()
    trained.decode(codes)
    optimizer = torch.optim.SGD(trained.train().parameters(), lr=1e-3)
    trained(torch.randn(1, 6400)).samples.square().mean().backward()
    optimizer.step()
    in_training = trained.decode(codes).samples
    torch.testing.assert_close(trained.eval().decode(codes).samples, in_training, rtol=0, atol=1e-5)


def random_codes(num_frames: int) -> list[int]:
    codes = torch.randint(0, 1000, (num_frames, 2), generator=torch.Generator().manual_seed(7))
    flat: list[int] = (codes + torch.tensor([0, 1000])).flatten().tolist()
    return flat
