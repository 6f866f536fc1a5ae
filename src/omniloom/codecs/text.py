"""Text to integer codes and back: byte-level byte-pair encoding with a small vocabulary.

Bytes are the alphabet, so any string is encodable and comes back exactly. The vocabulary is small (1024) because each
row of the embedding costs parameters that the tiny model needs elsewhere; digits stand alone, so that a number's places
can be learned. A word keeps its leading space (" red"), hence words encoded one by one and a whole sentence give the
same codes, which interleaved replies rely on.

`tokenizers` trains and encodes. Decoding is done here, over bytes: its own decoder gives replacement characters for a
character that is only half there, and a stream must wait for the other half instead. Rejected: bytes alone (four times
as many tokens a word) and SentencePiece's unigram model (its normalisation does not round-trip).
"""

from __future__ import annotations

import codecs as python_codecs
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from omniloom.codecs.base import fingerprint
from omniloom.codecs.kinds import CONFIG_FILE, codec_kinds, require_kind
from omniloom.core.checkpoint import read_manifest, write_folder
from omniloom.stream.parts import Text
from omniloom.stream.vocabulary import CodecSpec, Plane

VOCAB_SIZE = 1024

KIND = "text_codec"
TOKENIZER_FILE = "tokenizer.json"


def _byte_letters() -> dict[str, int]:
    """The letter that stands for each byte in a byte-level vocabulary (GPT-2's table), inverted.

    Printable Latin-1 bytes stand for themselves and the others, in order, for the letters from U+0100 on.
    """
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + place): byte for place, byte in enumerate(others)}


SPACE_LETTER = "Ġ"
"""The letter of a space."""


def _parted_runs(longest_run: int, behaviour: str) -> list[pre_tokenizers.PreTokenizer]:
    """What parts runs of spaces from the words beside them."""
    return [pre_tokenizers.Split(Regex(" {2,}"), behaviour)] if longest_run > 1 else []


def _with_runs(tokenizer: Tokenizer, longest_run: int) -> Tokenizer:
    """The tokenizer with every run of 2 to `longest_run` spaces as a token, by merges before all others.

    First runs double, up to the largest power of two; a run's length in binary then says into which it has fallen, the
    longest first, and those are joined from the left: 13 = 8 + 4 + 1 is (8, 4), (12, 1). Merges to the longer left
    parts come first, for in 8 + 4 + 2 it is 12 that must be made, not 6.
    """
    data = json.loads(tokenizer.to_str())["model"]
    powers = [1 << bit for bit in range(1, longest_run.bit_length())]
    joins = [(length & ~(length & -length), length & -length) for length in range(3, longest_run + 1)]
    joins = [pair for pair in joins if pair[0]]
    joins.sort(key=lambda pair: (-(pair[0].bit_length()), sum(pair)))
    merges = [(power // 2, power // 2) for power in powers] + joins
    vocab: dict[str, int] = {**data["vocab"]}
    for length in range(2, longest_run + 1):
        vocab[SPACE_LETTER * length] = len(vocab)
    runs = [(SPACE_LETTER * left, SPACE_LETTER * right) for left, right in merges]
    return Tokenizer(models.BPE(vocab=vocab, merges=[*runs, *map(tuple, data["merges"])]))


class TextStream:
    """Characters as their tokens arrive; a character cut in two waits for its other half."""

    def __init__(self, token_bytes: Sequence[bytes]) -> None:
        self._token_bytes = token_bytes
        self._decoder = python_codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, code: int) -> str:
        """The characters that this token completes; often one word, sometimes nothing."""
        return self._decoder.decode(self._token_bytes[code])

    def flush(self) -> str:
        """What is left at the end: nothing, or U+FFFD for a character that never came whole."""
        return self._decoder.decode(b"", final=True)


@codec_kinds.register(KIND)
class TextCodec:
    """Strings to codes in [0, `vocab_size`) and back; every string comes back exactly.

    Codes that training left unused decode to nothing.
    """

    def __init__(self, tokenizer: Tokenizer, *, vocab_size: int = VOCAB_SIZE) -> None:
        num_tokens = tokenizer.get_vocab_size()
        if num_tokens > vocab_size:
            raise ValueError(f"the tokenizer has {num_tokens} tokens, more than vocab_size {vocab_size}; raise it")
        self.vocab_size = vocab_size
        self._tokenizer = tokenizer
        letters = _byte_letters()
        self._token_bytes = [b""] * vocab_size
        for token, code in tokenizer.get_vocab().items():
            self._token_bytes[code] = bytes(letters[letter] for letter in token)
        missing = {bytes([byte]) for byte in range(256)} - set(self._token_bytes)
        if missing:
            raise ValueError(f"the tokenizer lacks {len(missing)} of the 256 bytes; train it with TextCodec.train")
        config = {"vocab_size": vocab_size, "tokenizer": json.loads(tokenizer.to_str())}
        self._spec = CodecSpec(
            modality="text",
            planes=(Plane(name="text", size=vocab_size, levels=(), count=0),),
            fingerprint=fingerprint(config, {}),
        )

    @classmethod
    def train(cls, texts: Iterable[str], vocab_size: int = VOCAB_SIZE, *, longest_run: int = 1) -> TextCodec:
        """Learn the merges from texts; a text given twice counts twice.

        With `longest_run` every run of 2 to so many spaces is a token of its own, as code wants it, whose indentation
        else costs a third of its tokens (Chen et al. 2021, section 3.2). A word behind a run keeps none of its spaces.

        Raises:
            ValueError: If `vocab_size` cannot hold the 256 bytes and the runs, or `longest_run` is below 1.
        """
        if longest_run < 1:
            raise ValueError(f"longest_run must be at least 1, a single space, got {longest_run}")
        num_runs = longest_run - 1
        if vocab_size < 256 + num_runs:
            raise ValueError(
                f"vocab_size must be at least {256 + num_runs}, one for each byte and for each of {num_runs} runs of "
                f"spaces, got {vocab_size}"
            )
        tokenizer = Tokenizer(models.BPE())
        words = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        # Runs are not learned from: their merges are known, and would take the places of others.
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*_parted_runs(longest_run, "removed"), *words])
        trainer = trainers.BpeTrainer(
            vocab_size=vocab_size - num_runs,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
            special_tokens=[],
        )
        tokenizer.train_from_iterator(texts, trainer)
        if num_runs:
            tokenizer = _with_runs(tokenizer, longest_run)
            tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*_parted_runs(longest_run, "isolated"), *words])
        tokenizer.decoder = decoders.ByteLevel()
        return cls(tokenizer, vocab_size=vocab_size)

    @property
    def spec(self) -> CodecSpec:
        return self._spec

    @property
    def token_bytes(self) -> Sequence[bytes]:
        return self._token_bytes

    @property
    def tokenizer(self) -> Tokenizer:
        """What was learned, as `tokenizers` has it."""
        return self._tokenizer

    def encode(self, part: Text) -> list[int]:
        return self.encode_text(part.text)

    def decode(self, codes: Sequence[int]) -> Text:
        """The part; `decode_text` serves where codes may hold nothing visible, which no `Text` can.

        Raises:
            ValueError: If the codes hold no visible character.
        """
        return Text(self.decode_text(codes))

    def encode_text(self, text: str) -> list[int]:
        """Raises ValueError if the string holds half a surrogate pair, which is no character."""
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueError(
                f"text holds a lone surrogate at {error.start}, which is no character; remove it"
            ) from error
        codes: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return codes

    def decode_text(self, codes: Sequence[int]) -> str:
        """The string; bytes that are no character, which only a model's own codes can hold, become U+FFFD."""
        wrong = [code for code in codes if not 0 <= code < self.vocab_size]
        if wrong:
            raise ValueError(f"text codes must be in 0..{self.vocab_size - 1}, got {wrong[:8]}")
        return b"".join(self._token_bytes[code] for code in codes).decode("utf-8", errors="replace")

    def stream(self) -> TextStream:
        """A fresh incremental decoder."""
        return TextStream(self._token_bytes)

    def save(self, folder: str | Path) -> None:
        """Write the codec's folder: `tokenizer.json` and `config.json`, whole or not at all."""

        def write(path: Path) -> None:
            (path / TOKENIZER_FILE).write_text(self._tokenizer.to_str(pretty=True), encoding="utf-8")
            (path / CONFIG_FILE).write_text(
                json.dumps({"kind": KIND, "vocab_size": self.vocab_size}) + "\n", encoding="utf-8"
            )

        write_folder(folder, write)

    @classmethod
    def load(cls, folder: str | Path) -> TextCodec:
        """Read a codec's folder.

        Raises:
            ValueError: If the folder is torn, or holds something else.
        """
        read_manifest(folder)
        path = Path(folder)
        try:
            config = json.loads((path / CONFIG_FILE).read_text(encoding="utf-8"))
            tokenizer = Tokenizer.from_str((path / TOKENIZER_FILE).read_text(encoding="utf-8"))
            vocab_size, kind = int(config["vocab_size"]), config.get("kind", KIND)
        except Exception as error:  # tokenizers raises bare Exception for a file it cannot read
            raise ValueError(f"{path} holds no text codec ({error}); give the folder of a trained one") from error
        require_kind(folder, kind, kind=KIND, name="text codec")
        return cls(tokenizer, vocab_size=vocab_size)
