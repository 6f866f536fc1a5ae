"""The espeak-ng library behind one door: text and settings in, samples and word times out.

The same text in the same settings must give the same samples, whatever was said before, or no generated example could
be made again. espeak-ng carries the phase of its pitch flutter and its wave table from one utterance to the next, and
neither re-initialising it nor its random seed resets them (measured: samples differ by up to full scale). So every
utterance opens the library afresh and unloads it: 0.2 ms, and about 2 kB that the library never frees. That also
leaves nothing behind for a forked process to inherit but one lock, which is held around `fork`. The breath of some
voices is noise, seeded by the clock's second unless the seed is set. The synchronous mode is used: the asynchronous
retrieval mode runs a thread of its own.
"""

from __future__ import annotations

import _ctypes
import ctypes
import os
import shutil
import tempfile
import threading
import weakref
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_SYNCHRONOUS_OUTPUT = 2
_SEED = 1
_DONT_EXIT_ON_ERROR = 1 << 15
_CHARACTERS_UTF8 = 1
_RATE, _VOLUME, _PITCH, _RANGE, _WORD_GAP = 1, 2, 3, 4, 7
_EVENT_LIST_END, _EVENT_WORD = 0, 1
_VARIANTS = Path("voices", "!v")
_OWN = "own"
"""What a variant that comes with the settings is called."""


class _EventId(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    """`espeak_EVENT` of speak_lib.h: `text_position` counts characters from 1, `sample` from the utterance's start."""

    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position_ms", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    ]


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What espeak is told before it speaks; `pitch` and `pitch_range` 0-100, `word_gap` in its own units of 10 ms.

    `variant` is the text of a voice variant that is put on `voice`, where it is none of the library's own.
    """

    voice: str
    rate_wpm: int
    pitch: int
    pitch_range: int
    word_gap: int
    variant: str = ""

    def parameters(self) -> tuple[tuple[int, int], ...]:
        return (
            (_RATE, self.rate_wpm),
            (_VOLUME, 100),
            (_PITCH, self.pitch),
            (_RANGE, self.pitch_range),
            (_WORD_GAP, self.word_gap),
        )


class WordEvent(NamedTuple):
    """Where a word stands in the text, and the sample at which its sound begins."""

    first_character: int
    num_characters: int
    first_sample: int


@dataclass(frozen=True, kw_only=True)
class Utterance:
    """What was said."""

    samples: NDArray[np.float32]
    rate_hz: int
    words: tuple[WordEvent, ...]


@dataclass
class _Heard:
    rate_hz: int = 0
    pieces: list[NDArray[np.int16]] = field(default_factory=list)
    words: list[WordEvent] = field(default_factory=list)

    def receive(self, samples: Any, num_samples: int, events: Any) -> int:
        """espeak's callback; 0 asks it to go on."""
        if samples and num_samples > 0:
            self.pieces.append(np.ctypeslib.as_array(samples, (num_samples,)).copy())
        index = 0
        while events[index].type != _EVENT_LIST_END:
            event = events[index]
            if event.type == _EVENT_WORD:
                self.words.append(WordEvent(event.text_position - 1, event.length, event.sample))
            index += 1
        return 0


class Espeak:
    """The library and its data; get it from `espeak()`."""

    def __init__(self) -> None:
        loader = _loader()
        self._path = str(loader.get_library_path())
        self._data = Path(loader.get_data_path())
        self._linked: Path | None = None
        self._clean_up: weakref.finalize[..., Espeak] | None = None
        self._lock = threading.Lock()
        os.register_at_fork(
            before=self._lock.acquire, after_in_parent=self._lock.release, after_in_child=self._begin_as_child
        )

    def speak(self, text: str, settings: Settings) -> Utterance:
        """Say a text.

        Raises:
            ValueError: If the voice is unknown or there is nothing to say.
        """
        variant = settings.voice.partition("+")[2]
        # espeak-ng speaks with the plain voice, and without a word about it, where a variant is unknown.
        if variant and not (self._data / _VARIANTS / variant).is_file():
            raise ValueError(f"espeak-ng has no voice variant {variant!r} (voice {settings.voice!r})")
        with self._lock:
            heard = self._speak(text.encode(), settings)
        if not heard.pieces:
            raise ValueError(f"espeak-ng found nothing to say in {text!r}; give at least one word")
        samples = np.concatenate(heard.pieces).astype(np.float32) / np.float32(32768)
        return Utterance(samples=samples, rate_hz=heard.rate_hz, words=tuple(heard.words))

    def _speak(self, text: bytes, settings: Settings) -> _Heard:
        voice, data = settings.voice, self._data
        if settings.variant:
            voice, data = f"{voice}+{_OWN}", self._with_own(settings.variant)
        library = ctypes.CDLL(self._path)
        heard = _Heard()
        callback = _Callback(heard.receive)
        try:
            heard.rate_hz = library.espeak_Initialize(_SYNCHRONOUS_OUTPUT, 0, str(data).encode(), _DONT_EXIT_ON_ERROR)
            if heard.rate_hz <= 0:
                raise ValueError(f"espeak-ng did not find its data in {data}; reinstall the package espeakng-loader")
            library.espeak_SetSynthCallback(callback)
            # Breath in a voice is noise made of it; opening the library seeds it by the clock.
            library.espeak_ng_SetRandSeed(ctypes.c_long(_SEED))
            if library.espeak_SetVoiceByName(voice.encode()):
                raise ValueError(f"espeak-ng has no voice {voice!r}")
            for parameter, value in settings.parameters():
                library.espeak_SetParameter(parameter, value, 0)
            size = ctypes.c_size_t(len(text) + 1)
            if error := library.espeak_Synth(text, size, 0, 1, 0, _CHARACTERS_UTF8, None, None):
                raise ValueError(f"espeak-ng could not say {text.decode()!r} (error {error})")
        finally:
            library.espeak_Terminate()
            _ctypes.dlclose(library._handle)
        return heard

    def _with_own(self, variant: str) -> Path:
        """A folder of espeak's data, by links, that has this variant and no other: one is read from a file only."""
        if self._linked is None:
            folder = Path(tempfile.mkdtemp(prefix="omniloom-espeak-"))
            self._clean_up = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
            self._linked = folder / "espeak-ng-data"
            (self._linked / _VARIANTS).mkdir(parents=True)
            for place in (Path(), _VARIANTS.parent):
                for entry in (self._data / place).iterdir():
                    if not (self._linked / place / entry.name).exists():
                        (self._linked / place / entry.name).symlink_to(entry)
        (self._linked / _VARIANTS / _OWN).write_text(variant)
        return self._linked

    def _begin_as_child(self) -> None:
        """After a fork the folder with the variant is the parent's, to write and to remove."""
        if self._clean_up is not None:
            self._clean_up.detach()
        self._linked = self._clean_up = None
        self._lock.release()


def _loader() -> Any:
    try:
        import espeakng_loader
    except ImportError as error:
        raise ModuleNotFoundError(
            "speech synthesis needs the package espeakng-loader; install it with: pip install 'omniloom[speech]'",
            name=error.name,
        ) from error
    return espeakng_loader


_FIRST_USE = threading.Lock()


def espeak() -> Espeak:
    """The one library of this process, found on first use, whichever thread that is in."""
    with _FIRST_USE:
        return _espeak()


@cache
def _espeak() -> Espeak:
    return Espeak()
