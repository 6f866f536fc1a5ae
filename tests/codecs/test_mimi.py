"""Mimi as one of our codecs: what `transformers` gives whole, given whole, in pieces and in batches alike.

The network is small and random: every equality holds for any weights. The tests need the extra `hf`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from tests.codecs.small_mimi import small_model
from tests.generation.untrained import untrained_codecs

from omniloom.codecs import mimi
from omniloom.codecs.bundle import CodecSet
from omniloom.codecs.mimi import MimiCodec
from omniloom.core.checkpoint import write_folder
from omniloom.data.encoding import MessageEncoder
from omniloom.generation import Omni, save_for_use
from omniloom.generation.conversation import encode, finished
from omniloom.models import OmniConfig, OmniModel
from omniloom.stream.folding import fold
from omniloom.stream.grammar import ReplyLimits
from omniloom.stream.layout import lay_out
from omniloom.stream.message import Message
from omniloom.stream.parts import Audio, Text

pytest.importorskip("transformers", reason="the hf extra has it")

FRAME = 1920
NUM_CODEBOOKS = 4


@pytest.fixture(scope="module")
def codec() -> MimiCodec:
    return MimiCodec(small_model(), num_codebooks=NUM_CODEBOOKS)


@pytest.fixture(scope="module")
def samples() -> torch.Tensor:
    """Twenty frames of noise that swells, the last one unfinished."""
    noise = torch.randn(20 * FRAME - 700, generator=torch.Generator().manual_seed(2))
    return noise * torch.linspace(0.01, 0.4, noise.numel())


def random_codes(num_frames: int, *, seed: int = 7) -> list[int]:
    codes = torch.randint(0, 32, (num_frames, NUM_CODEBOOKS), generator=torch.Generator().manual_seed(seed))
    flat: list[int] = (codes + 32 * torch.arange(NUM_CODEBOOKS)).flatten().tolist()
    return flat


def test_codes_and_sound_are_those_of_transformers(codec: MimiCodec, samples: torch.Tensor) -> None:
    whole = samples[: 19 * FRAME]
    codes = codec.encode_samples(whole[None])
    with torch.no_grad():
        theirs = codec.model.encode(whole[None, None], num_quantizers=NUM_CODEBOOKS).audio_codes
        sound = codec.model.decode(theirs).audio_values[:, 0]
    assert torch.equal(codes, theirs.transpose(1, 2)) and codes.unique().numel() > 16
    torch.testing.assert_close(codec.decode_frames(codes), sound, rtol=0, atol=1e-5)
    assert 0.05 < sound.abs().max() < 5


@pytest.mark.parametrize("size", [100, FRAME, 2 * FRAME + 1, 50_000])
def test_streamed_encoding_equals_whole(codec: MimiCodec, samples: torch.Tensor, size: int) -> None:
    samples = samples[: 3 * FRAME + 37] if size == 100 else samples
    stream = codec.encoder_stream()
    codes = [code for piece in samples.split(size) for code in stream.push(piece)] + stream.flush()
    assert codes == codec.encode(Audio(samples, 24_000))


@pytest.mark.parametrize("size", [1, NUM_CODEBOOKS, 3 * NUM_CODEBOOKS + 1, 1000])
def test_streamed_decoding_equals_whole(codec: MimiCodec, size: int) -> None:
    codes = random_codes(5 if size == 1 else 30)
    stream = codec.decoder_stream()
    pieces = [stream.push(codes[start : start + size]) for start in range(0, len(codes), size)]
    # Single precision: convolutions sum in another order for another length.
    torch.testing.assert_close(torch.cat(pieces), codec.decode(codes).samples, rtol=0, atol=1e-5)
    if size == NUM_CODEBOOKS:
        assert {piece.numel() for piece in pieces} == {FRAME}


@pytest.mark.parametrize("piece_frames", [1, 5])
def test_long_sounds_go_through_in_pieces(
    codec: MimiCodec, samples: torch.Tensor, piece_frames: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = codec.encode(Audio(samples, 24_000))
    sound = codec.decode(codes).samples
    monkeypatch.setattr(mimi, "PIECE_FRAMES", piece_frames)
    assert codec.encode(Audio(samples, 24_000)) == codes
    torch.testing.assert_close(codec.decode(codes).samples, sound, rtol=0, atol=1e-5)


def test_batched_equals_alone(codec: MimiCodec, samples: torch.Tensor) -> None:
    rows = torch.stack([samples[: 9 * FRAME], -samples[FRAME : 10 * FRAME], torch.zeros(9 * FRAME)])
    codes = codec.encode_samples(rows)
    sound = codec.decode_frames(codes)
    for row, row_codes, row_sound in zip(rows, codes, sound, strict=True):
        assert torch.equal(codec.encode_samples(row[None])[0], row_codes)
        torch.testing.assert_close(codec.decode_frames(row_codes[None])[0], row_sound, rtol=0, atol=1e-5)


def test_encoding_never_looks_ahead(codec: MimiCodec, samples: torch.Tensor) -> None:
    changed = samples.clone()
    changed[10 * FRAME :] = 0
    before, after = codec.encode_samples(torch.stack([samples, changed])).unbind()
    assert torch.equal(before[:10], after[:10]) and not torch.equal(before[10:], after[10:])


def test_fewer_codebooks_are_the_first_of_more(codec: MimiCodec, samples: torch.Tensor) -> None:
    fewer = MimiCodec(codec.model, num_codebooks=2)
    assert torch.equal(fewer.encode_samples(samples[None]), codec.encode_samples(samples[None])[..., :2])
    assert fewer.spec.fingerprint != codec.spec.fingerprint
    only_semantic = MimiCodec(codec.model, num_codebooks=1)
    assert only_semantic.decode(only_semantic.encode(Audio(samples, 24_000))).samples.numel() == 20 * FRAME


def test_spec_describes_the_codes(codec: MimiCodec, samples: torch.Tensor) -> None:
    """12.5 frames a second; a code's plane is its place in the frame, and so is its slot, however long the sound."""
    codes = codec.encode(Audio(samples, 24_000).resampled(16_000))
    assert len(codes) == 20 * NUM_CODEBOOKS
    assert [plane.name for plane in codec.spec.planes] == ["audio.0", "audio.1", "audio.2", "audio.3"]
    assert {(plane.size, plane.count, plane.levels) for plane in codec.spec.planes} == {(32, 1, ())}
    assert [code // 32 for code in codes] == [0, 1, 2, 3] * 20
    codecs = untrained_codecs()
    vocabulary = CodecSet(text=codecs.text, audio=codec, image=codecs.image).vocabulary()
    slots = [position.slot for position in fold(vocabulary.to_ids("audio", random_codes(100)), vocabulary)]
    assert [(slot - 1) % NUM_CODEBOOKS for slot in slots] == [0, 1, 2, 3] * 100


def test_saved_equals_loaded(codec: MimiCodec, samples: torch.Tensor, tmp_path: Path) -> None:
    codec.save(tmp_path / "codec")
    loaded = MimiCodec.load(tmp_path / "codec")
    assert loaded.spec == codec.spec
    codes = codec.encode(Audio(samples, 24_000))
    assert loaded.encode(Audio(samples, 24_000)) == codes
    assert torch.equal(loaded.decode(codes).samples, codec.decode(codes).samples)


def test_fingerprint_follows_what_makes_the_codes(codec: MimiCodec) -> None:
    other = small_model()
    assert MimiCodec(other, num_codebooks=NUM_CODEBOOKS).spec == codec.spec
    other.decoder.decoder_seanet.layers[0].conv.bias.data += 1
    assert MimiCodec(other, num_codebooks=NUM_CODEBOOKS).spec == codec.spec
    other.encoder.encoder_seanet.layers[0].conv.bias.data += 1
    assert MimiCodec(other, num_codebooks=NUM_CODEBOOKS).spec != codec.spec


def test_a_model_speaks_through_it(codec: MimiCodec, samples: torch.Tensor, tmp_path: Path) -> None:
    """Training rows, a saved model, sound heard in pieces and a streamed reply are what they are with our own codec."""
    ours = untrained_codecs()
    codecs = CodecSet(text=ours.text, audio=codec, image=ours.image)
    said = Audio(samples, 24_000)
    messages = [
        Message("user", (said, Text("say it"))),
        Message("assistant", (Text("seven"), said, Text(" two"), said)),
    ]
    encoded = MessageEncoder(codecs).encode(messages)
    assert encoded[0].parts == encode(messages[0], codecs).parts
    row = lay_out(encoded, codecs.vocabulary())
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = OmniModel(OmniConfig.from_depth(1, context=512), codecs.vocabulary())
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.2)
    loaded = Omni.load(save_for_use(tmp_path / "model", model=model, codecs=codecs))
    assert loaded.codecs.fingerprints == codecs.fingerprints and isinstance(loaded.codecs.audio, MimiCodec)
    omni = Omni(loaded.model, loaded.codecs, limits=ReplyLimits(text_tokens=3, frames=3))

    heard, given = omni.conversation(), omni.conversation()
    for piece in samples.split(5000):
        heard.hear(Audio(piece, 24_000))
    given.add([said])
    reply, same = (finished(talk.reply("audio", max_tokens=80)) for talk in (heard, given))
    assert reply.ids == same.ids and reply.audio is not None
    assert row.ids[: 3 + len(encoded[0].parts[0][1])] == heard._row.ids[: 3 + 20 * NUM_CODEBOOKS]
    assert reply.audio.rate_hz == 24_000
    num_frames = reply.usage.audio_tokens // NUM_CODEBOOKS
    assert reply.audio.samples.numel() == num_frames * FRAME
    (batched,) = omni.reply_batch([[said]], "audio", max_tokens=80)
    assert batched.ids == reply.ids
    torch.testing.assert_close(batched.audio.samples, reply.audio.samples, rtol=0, atol=1e-5)


@pytest.mark.parametrize("num_codebooks", [0, 7])
def test_codebooks_that_are_not_there_are_refused(codec: MimiCodec, num_codebooks: int) -> None:
    with pytest.raises(ValueError, match=rf"num_codebooks must be between 1 and 6.*got {num_codebooks}"):
        MimiCodec(codec.model, num_codebooks=num_codebooks)


def test_a_model_that_looks_ahead_is_refused() -> None:
    with pytest.raises(ValueError, match="looks ahead"):
        MimiCodec(small_model(use_causal_conv=False), num_codebooks=2)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"(?s)holds no Mimi model .*; give a folder written by save_pretrained"):
        MimiCodec.from_pretrained(tmp_path)
    write_folder(tmp_path / "other", lambda path: (path / "config.json").write_text('{"kind": "audio_codec"}'))
    with pytest.raises(ValueError, match=r"holds no Mimi codec: its config\.json says kind 'audio_codec', not 'mimi'"):
        MimiCodec.load(tmp_path / "other")


def test_a_missing_library_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'omniloom\[hf\]'"):
        MimiCodec.from_pretrained("anything")
