"""Messages to codes: each part through its codec, a spoken reply as one sound.

The assistant's words are joined before they are encoded and their codes parted again afterwards, for the decoder will
hear them joined: codes of words encoded one by one would have the silence of a recording's start in every one. Sounds
are encoded in batches of similar length; the codecs are causal and exact, so padding and neighbours change nothing.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float32
from torch import Tensor

from omniloom.codecs.bundle import CodecSet
from omniloom.codecs.pieces import as_seen, video_pieces
from omniloom.stream.layout import NO_WORD, EncodedMessage, Piece, Turn
from omniloom.stream.message import Message
from omniloom.stream.parts import Audio, Image, NamedPlace, Text, Video

MAX_BATCH_S = 60.0
"""Sound in one batch, padding counted: enough to be fast, little enough to stay small in memory."""

WORD_DELAY_S = 0.12
"""How long after a sound the model is asked which word it belonged to: a word is seldom known from its beginning."""

MAX_KNOWN = 50_000
"""Codes of replies remembered: pictures and answers come back often, and each takes under 2 kB."""


class MessageEncoder:
    """Codecs with a memory of the replies already encoded."""

    def __init__(self, codecs: CodecSet) -> None:
        self.codecs = codecs
        self._frame_samples = codecs.audio.samples_per_frame
        self._codes_per_frame = codecs.audio.spec.elements_per_cycle
        self._known: dict[bytes, list[int]] = {}
        self._word_codes: dict[str, int] = {}

    def encode(self, messages: Sequence[Message]) -> list[EncodedMessage]:
        """Each message with its parts as codes."""
        sounds: dict[bytes, Tensor] = {}
        pictures: dict[bytes, Tensor] = {}
        for message in messages:
            for sound in self._sounds_of(message):
                sounds.setdefault(_key(sound), sound)
            for part in message.parts:
                if isinstance(part, Image):
                    pixels = part.resized(self.codecs.image.side).pixels
                    pictures.setdefault(_key(pixels), pixels)
        codes = self._encode_sounds(sounds) | self._encode_pictures(pictures)
        encoded = [self._assemble(message, codes) for message in messages]
        for message in messages:
            self._remember(message, codes)
        return encoded

    def _sounds_of(self, message: Message) -> list[Float32[Tensor, " N"]]:
        """The sounds to encode: the user's one by one, the assistant's joined; each in whole frames."""
        sounds = []
        for part in message.parts:
            sound = part.sound if isinstance(part, Video) else part
            if isinstance(sound, Audio):
                samples = sound.resampled(self.codecs.audio.rate_hz).samples
                sounds.append(F.pad(samples, (0, -samples.numel() % self._frame_samples)))
        if message.role == "assistant" and sounds:
            return [torch.cat(sounds)]
        return sounds

    def _assemble(self, message: Message, codes: dict[bytes, list[int]]) -> EncodedMessage:
        sounds = [list(codes[_key(sound)]) for sound in self._sounds_of(message)]
        joined = sounds[0] if message.role == "assistant" and sounds else []
        parts: list[Piece] = []
        for part in message.parts:
            if isinstance(part, Text):
                parts.append(Piece("text", self.codecs.text.encode(part)))
            elif isinstance(part, Image):
                own = codes[_key(part.resized(self.codecs.image.side).pixels)]
                words = self._names(part.named, len(own), grid=self.codecs.image.block_grid, turn=_turn(part.pixels))
                parts.append(Piece("image", own, words=words))
            elif isinstance(part, Video):
                parts += self._film(part, sounds.pop(0) if part.sound is not None else [])
            elif message.role == "assistant":
                num_codes = self._num_codes(part)
                parts.append(Piece("audio", joined[:num_codes]))
                joined = joined[num_codes:]
            else:
                own = sounds.pop(0)
                num_frames = len(own) // self._codes_per_frame
                parts.append(Piece("audio", own, self._turns(part, num_frames), self._words(part, num_frames)))
        assert not joined, "a reply's frames do not add up"
        return EncodedMessage(message.role, tuple(parts), message.is_cut)

    def _film(self, video: Video, sound_codes: list[int]) -> list[Piece]:
        seen = as_seen(video, self.codecs)
        codec = self.codecs.image
        frame_codes: list[list[int]] = codec.encode_frames(seen.frames.float() / 255).tolist()
        grid, turn = codec.block_grid * codec.frame_side // codec.side, _turn(video.frames)
        words = [
            self._names(places, len(own), grid=grid, turn=turn + number)
            for number, (places, own) in enumerate(zip(seen.named, frame_codes, strict=False))
        ]
        return video_pieces(
            frame_codes,
            sound_codes,
            codes_per_sound_frame=self._codes_per_frame,
            sound_frames_per_frame=self.codecs.audio.rate_hz / self._frame_samples / seen.rate_fps,
            frame_words=words,
        )

    def _turns(self, sound: Audio, num_frames: int) -> tuple[Turn, ...]:
        """Which frames come after the speaker has said all; nothing is known of the one in which that happens."""
        if sound.speech_end_s is None:
            return ()
        end = sound.speech_end_s * self.codecs.audio.rate_hz / self._frame_samples
        return tuple(
            Turn.GOES_ON if frame + 1 <= end else Turn.ENDED if frame >= end else Turn.UNKNOWN
            for frame in range(num_frames)
        )

    def _words(self, sound: Audio, num_frames: int) -> tuple[int, ...]:
        """The first text code of the word that was being said `WORD_DELAY_S` before each frame's end."""
        if not sound.words:
            return ()
        codes = [NO_WORD] * num_frames
        frames_per_s = self.codecs.audio.rate_hz / self._frame_samples
        for word in sound.words:
            first, stop = (
                max(0, math.ceil((time_s + WORD_DELAY_S) * frames_per_s) - 1) for time_s in (word.start_s, word.end_s)
            )
            codes[first:stop] = [self._word_code(word.text)] * len(codes[first:stop])
        return tuple(codes)

    def _names(self, named: Sequence[NamedPlace], num_codes: int, *, grid: int, turn: int) -> tuple[int, ...]:
        """The first text code of a word for what stands in each block of `grid` a side, at its first code.

        It is asked in the lowest row that a thing reaches: before, it is half shown, and what is missing would be
        guessed from what usually goes together. Words take turns from block to block, and `turn` says which is first.
        """
        if not named or not grid:
            return ()
        codes = [NO_WORD] * num_codes
        for place in named:
            left, top, right, bottom = (grid * share - 0.5 for share in place.box)
            for block in range(grid * grid):
                row, column = divmod(block, grid)
                if top <= row == math.floor(bottom) and left <= column <= right:
                    codes[block] = self._word_code(place.words[turn % len(place.words)])
                    turn += 1
        return tuple(codes)

    def _word_code(self, word: str) -> int:
        if word not in self._word_codes:
            self._word_codes[word] = self.codecs.text.encode(Text(f" {word}"))[0]
        return self._word_codes[word]

    def _num_codes(self, part: Audio) -> int:
        num_samples = part.resampled(self.codecs.audio.rate_hz).samples.numel()
        return -(-num_samples // self._frame_samples) * self._codes_per_frame

    def _encode_sounds(self, sounds: dict[bytes, Tensor]) -> dict[bytes, list[int]]:
        found = {key: self._known[key] for key in sounds if key in self._known}
        left = sorted((key for key in sounds if key not in found), key=lambda key: sounds[key].numel())
        spec = self.codecs.audio.spec
        offsets = torch.tensor([sum(plane.size for plane in spec.planes[:group]) for group in range(len(spec.planes))])
        while left:
            # The longest come first, so that the first of a batch says how wide it is.
            widest = sounds[left[-1]].numel()
            num_rows = max(1, int(MAX_BATCH_S * self.codecs.audio.rate_hz / widest))
            batch, left = left[-num_rows:], left[:-num_rows]
            padded = torch.stack([F.pad(sounds[key], (0, widest - sounds[key].numel())) for key in batch])
            frames = self.codecs.audio.encode_samples(padded).cpu() + offsets
            for key, row in zip(batch, frames, strict=True):
                found[key] = row[: sounds[key].numel() // self._frame_samples].flatten().tolist()
        return found

    def _encode_pictures(self, pictures: dict[bytes, Tensor]) -> dict[bytes, list[int]]:
        found = {key: self._known[key] for key in pictures if key in self._known}
        left = [key for key in pictures if key not in found]
        for start in range(0, len(left), 256):
            batch = left[start : start + 256]
            pixels = torch.stack([pictures[key] for key in batch]).float() / 255
            for key, row in zip(batch, self.codecs.image.encode_pixels(pixels).cpu(), strict=True):
                found[key] = row.tolist()
        return found

    def _remember(self, message: Message, codes: dict[bytes, list[int]]) -> None:
        """Keep a reply's codes; what users give never comes twice."""
        if message.role != "assistant" or len(self._known) >= MAX_KNOWN:
            return
        for sound in self._sounds_of(message):
            self._known[_key(sound)] = codes[_key(sound)]
        for part in message.parts:
            if isinstance(part, Image):
                key = _key(part.resized(self.codecs.image.side).pixels)
                self._known[key] = codes[key]


def encode_message(message: Message, codecs: CodecSet) -> EncodedMessage:
    """One message with its parts as codes; use a `MessageEncoder` for many."""
    return MessageEncoder(codecs).encode([message])[0]


def without_prompt(messages: Sequence[EncodedMessage]) -> list[EncodedMessage]:
    """A picture reply alone: what guidance compares a prompted drawing with.

    Raises:
        ValueError: If the last message holds no picture.
    """
    drawing = tuple(piece for piece in messages[-1].parts if piece.kind == "image")
    if not drawing:
        raise ValueError("only a reply with a picture can be learned without its prompt")
    return [EncodedMessage("user", ()), EncodedMessage("assistant", drawing)]


def _turn(pixels: Tensor) -> int:
    """A number that changes from picture to picture."""
    return _key(pixels)[0]


def _key(values: Tensor) -> bytes:
    digest = hashlib.blake2b(values.contiguous().numpy().tobytes(), digest_size=16)
    digest.update(str(tuple(values.shape)).encode())
    return digest.digest()
