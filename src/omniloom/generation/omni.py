"""`Omni`: a model to talk to. Text, sound and pictures in; text, speech and pictures out.

omni = Omni.load("tiny")
reply = omni.reply(["Which digit is this?", Audio.open("seven.wav")], want="text")
print(reply.text)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from jaxtyping import Float
from torch import Tensor

from omniloom.codecs.bundle import CodecSet
from omniloom.generation import loading
from omniloom.generation.batch import WRITTEN, Row
from omniloom.generation.beam.replies import search_replies
from omniloom.generation.beam.search import BeamSearch
from omniloom.generation.cache import DEFAULT_CACHE_BYTES
from omniloom.generation.conversation import MAX_REPLY_TOKENS, Conversation, encode, finished
from omniloom.generation.decoder import Precision, PreparedModel, RowDecoder
from omniloom.generation.embedding import OPENING, embed_rows
from omniloom.generation.engine import Engine, EngineStats, Generation
from omniloom.generation.likelihood import ReplyLikelihood, reply_likelihoods, reply_token_scores
from omniloom.generation.reply import Event, Reply, ReplyBuilder, TokenCounts, Usage
from omniloom.generation.rules import Rulebook, Ruling, TextRules, TokenLogprob
from omniloom.generation.rules.logprobs import as_logprob
from omniloom.generation.rules.stops import before_stop
from omniloom.generation.sampling import Picker, Sampling
from omniloom.generation.sharing import SharedRows
from omniloom.generation.turns import Turn, TurnCodec
from omniloom.models import OmniModel
from omniloom.stream import vocabulary as v
from omniloom.stream.folding import fold
from omniloom.stream.grammar import ReplyLimits
from omniloom.stream.layout import lay_out, open_reply
from omniloom.stream.message import Message, Want, as_parts, wanted
from omniloom.stream.parts import Part
from omniloom.stream.vocabulary import Vocabulary

Prompt = str | Part | Sequence[str | Part] | Sequence[Message]
"""What is asked: one part, several, or a whole conversation that ends with the user's turn."""


class FoundReply(NamedTuple):
    """A written reply, its log-probability with that of its end (nats), and what it was ranked by (`BeamSearch`)."""

    text: str
    log_prob: float
    score: float


class Omni:
    """A model with its codecs. It does not change, so threads may share it; each conversation keeps its own state."""

    def __init__(
        self,
        model: OmniModel,
        codecs: CodecSet,
        *,
        scores: dict[str, Any] | None = None,
        card: str = "",
        limits: ReplyLimits | None = None,
        device: str | None = None,
        cache_bytes: int = DEFAULT_CACHE_BYTES,
        precision: Precision = "float32",
        num_threads: int | None = None,
    ) -> None:
        """`limits` bounds the runs of a reply; without it, the grammar's own do. The rest as for `load`."""
        model.vocabulary.require(codecs.specs)
        self.model = model
        self.codecs = codecs
        self.scores = scores or {}
        self.card = card
        self._prepared = PreparedModel(
            model,
            limits=limits,
            device=device,
            cache_bytes=cache_bytes,
            precision=precision,
            num_threads=num_threads,
        )
        self._engine = Engine(self._prepared)
        self._rulebook = Rulebook(model.vocabulary, codecs.text)
        self.turns = TurnCodec(codecs, model.vocabulary)

    @classmethod
    def load(
        cls,
        name_or_folder: str | Path = "tiny",
        *,
        device: str | None = None,
        cache_bytes: int = DEFAULT_CACHE_BYTES,
        precision: Precision = "float32",
        num_threads: int | None = None,
    ) -> Omni:
        """The model of that name that comes with the package, or that in a checkpoint folder.

        `device` is where its transformer computes, as torch names it ("cuda"); codecs stay on the CPU, where without a
        device all is. All conversations together hold keys and values of at most `cache_bytes`; where they are taken,
        whatever needs more raises `OutOfCache`, a `ValueError`, and may be tried again later.

        With `precision` "bfloat16" products take inputs of bfloat16, on a GPU or a processor with AVX512_BF16; "auto"
        does so where it can. Replies may then differ from those of float32 (`omniloom evaluate world --precision`).

        A step of many replies takes `num_threads` at most, without it as many as this process may use cores.

        Raises:
            ValueError: If there is none, or the folder is torn, foreign or does not fit its codecs, or this processor
                does not multiply bfloat16.
        """
        found = loading.load(name_or_folder)
        return cls(
            found.model,
            found.codecs,
            scores=found.scores,
            card=found.card,
            device=device,
            cache_bytes=cache_bytes,
            precision=precision,
            num_threads=num_threads,
        )

    @property
    def vocabulary(self) -> Vocabulary:
        return self.model.vocabulary

    @property
    def context(self) -> int:
        """Positions that a conversation may hold, replies included; one in a prompt may hold several tokens."""
        return self.model.config.context

    @property
    def instruction_set(self) -> str:
        """What tokens are decoded with: avx512, avx2, portable, or torch, which is "reference"."""
        return self._prepared.instruction_set

    @property
    def precision(self) -> Precision:
        """Of what matrices are multiplied with: float32 or bfloat16."""
        return self._prepared.precision

    @property
    def reads_turn_end(self) -> bool:
        """Whether `Conversation.hear` tells how likely the speaker has finished."""
        return self.vocabulary.has_turn_end

    def stats(self) -> EngineStats:
        """What the model has in hand for all conversations and has done so far; cheap, and safe from any thread."""
        return self._engine.stats()

    @property
    def num_computed(self) -> int:
        """Positions that went through the transformer so far, for whoever asked: what was shared counts once."""
        return self.stats().num_positions + self._prepared.num_scored

    def on_usage(self, tell: Callable[[Usage], None]) -> None:
        """Have `tell` called with what each reply or `embed` took, once it has ended, in the thread that asks."""
        self._engine.on_usage = tell

    def conversation(self, history: Sequence[Message | Turn] = (), *, is_asked_at_once: bool = False) -> Conversation:
        """A new conversation, or one that goes on from these messages, or turns.

        With `is_asked_at_once` the history is fed when a reply is asked for, and with its opening: a step less.
        """
        return Conversation(
            self._engine, self.codecs, rulebook=self._rulebook, history=history, is_asked_at_once=is_asked_at_once
        )

    def stream(
        self,
        prompt: Prompt,
        want: str | Iterable[str] = "text",
        *,
        sampling: Sampling = Sampling(),
        seed: int = 0,
        max_tokens: int = MAX_REPLY_TOKENS,
        rules: TextRules | None = None,
    ) -> Iterator[Event]:
        """The reply's events as they come, `Done` the last: the same reply as `reply` gives for the same seed."""
        conversation = self._asked(prompt)
        return conversation.reply(want, sampling=sampling, seed=seed, max_tokens=max_tokens, rules=rules)

    def reply(
        self,
        prompt: Prompt,
        want: str | Iterable[str] = "text",
        *,
        sampling: Sampling = Sampling(),
        seed: int = 0,
        max_tokens: int = MAX_REPLY_TOKENS,
        rules: TextRules | None = None,
    ) -> Reply:
        """The whole reply. `want` is "text", "audio", "image", or several of them.

        Raises:
            ValueError: If a part cannot be taken, `want` is unknown, the prompt leaves no room in the context, or the
                rules for the text cannot be kept.
        """
        conversation = self._asked(prompt)
        events = conversation.reply(
            want, sampling=sampling, seed=seed, max_tokens=max_tokens, rules=rules, is_live=False
        )
        return finished(events)

    def reply_batch(
        self,
        prompts: Sequence[Prompt],
        want: str | Iterable[str] | Sequence[frozenset[Want]] = "text",
        *,
        sampling: Sampling = Sampling(),
        seed: int | Sequence[int] = 0,
        max_tokens: int = MAX_REPLY_TOKENS,
        batch_rows: int = 64,
        rules: TextRules | Sequence[TextRules | None] | None = None,
    ) -> list[Reply]:
        """A reply to each prompt, as `reply` gives it, but decoded together, `batch_rows` at a time.

        What prompts begin with alike is computed once (`generation.sharing`), as is a prompt that is asked with several
        seeds. A reply that ends makes room for the next. `benchmarks/generation/bench_engine.py` times them beside one
        alone.

        `want` is one for all, or a list with a frozenset for each; so are `seed` and `rules`.

        Raises:
            ValueError: If a part cannot be taken, a `want` is unknown, a prompt leaves no room in the context, or rules
                cannot be kept.
            OutOfCache: If there is no memory for a single row.
        """
        if not prompts:
            return []
        wants = _wants_of(want, len(prompts))
        demands = [rules] * len(prompts) if rules is None or isinstance(rules, TextRules) else list(rules)
        seeds = [seed] * len(prompts) if isinstance(seed, int) else list(seed)
        rows = [self._prompt_ids(prompt, row_wants) for prompt, row_wants in zip(prompts, wants, strict=True)]
        pickers = [Picker(sampling, seed=own) for own in seeds]
        rulings = [self._rulebook.ruling(own, row_wants) for own, row_wants in zip(demands, wants, strict=True)]
        shared = SharedRows(self._prepared, rows, self._engine.feed)
        asked = [
            partial(self._begun, partial(shared.begun, place), row_wants, picker, ruling, max_tokens)
            for place, (row_wants, picker, ruling) in enumerate(zip(wants, pickers, rulings, strict=True))
        ]
        # The longest first, so that none is left to be decoded alone; of equal length, those that share a beginning.
        order = sorted(range(len(rows)), key=lambda place: (len(rows[place]), rows[place]), reverse=True)
        found: dict[int, Callable[[], Reply]] = {}

        def decode(number: int, generation: Generation) -> None:
            place = order[number]
            whole = partial(self._whole, generation, demands[place])
            found[place] = whole if wants[place] == WRITTEN else pool.submit(whole).result

        # Sound takes as long to decode as it took to predict: that is done while others are still predicted.
        with ThreadPoolExecutor(self._prepared.num_threads) as pool:
            self._engine.complete([asked[place] for place in order], at_most=batch_rows, on_done=decode)
        faults = [ruling.fault for ruling in rulings if ruling is not None and ruling.fault is not None]
        if faults:
            raise faults[0]
        return [found[place]() for place in range(len(rows))]

    def _begun(
        self,
        begun: Callable[..., RowDecoder],
        wants: frozenset[Want],
        picker: Picker,
        ruling: Ruling | None,
        max_tokens: int,
    ) -> Generation:
        """A reply of a batch; memory for its longest form is taken before it begins."""
        row = begun(num_more=max_tokens + 1)
        reply = Row(
            wants=wants,
            grammar=self._prepared.grammar(wants),
            written=self._prepared.grammar(WRITTEN),
            ruling=ruling,
            picker=picker,
            num_positions=row.num_positions,
            max_tokens=max_tokens,
            max_positions=self.context - 1,  # <end> must fit after a cut, as in a conversation
        )
        return Generation(row=row, reply=reply, is_read=False)

    def embed(self, inputs: Sequence[str | Part | Sequence[str | Part]]) -> Float[Tensor, "B D"]:
        """A vector of length 1 for each input, a text, a sound, a picture, or several parts together.

        Their products tell how near they are (`generation.embedding` says how they are made, and how good they are).

        Raises:
            ValueError: If an input holds nothing, or does not fit the context.
        """
        rows = []
        for number, item in enumerate(inputs):
            turn = encode(Message("user", as_parts(item)), self.codecs)
            row = fold(lay_out([turn], self.vocabulary).ids, self.vocabulary)
            if not OPENING < len(row) <= self.context:
                raise ValueError(
                    f"input {number} holds {len(row) - OPENING} tokens, from 1 to {self.context - OPENING} can be "
                    "embedded; give another, or cut it into pieces"
                )
            rows.append(row)
        vectors = embed_rows(self._prepared, rows)
        read = [position for row in rows for position in row[OPENING:]]
        self._engine.on_usage(Usage(prompt=TokenCounts.of(read, self.vocabulary)))
        return vectors

    def likelihoods(
        self, asked: Sequence[tuple[Prompt, Sequence[str]]], *, batch_rows: int = 64
    ) -> list[list[ReplyLikelihood]]:
        """How likely each of these written replies to a prompt is; the prompt is fed once for all of them.

        `batch_rows` prompts are held at a time.

        Raises:
            ValueError: If a part cannot be taken, a reply is empty, or a prompt with a reply does not fit the context.
            OutOfCache: If there is no memory for so many prompts at once.
        """
        found: list[list[ReplyLikelihood]] = []
        for start in range(0, len(asked), batch_rows):
            batch = asked[start : start + batch_rows]
            rows = [
                (self._prompt_ids(prompt, WRITTEN), [self._reply_ids(reply) for reply in replies])
                for prompt, replies in batch
            ]
            found += reply_likelihoods(self._prepared, rows)
        return found

    def search(
        self,
        prompts: Sequence[Prompt],
        search: BeamSearch = BeamSearch(),
        *,
        max_tokens: int = MAX_REPLY_TOKENS,
        stops: Sequence[str] = (),
        batch_rows: int = 64,
    ) -> list[list[FoundReply]]:
        """The best written replies to each prompt by beam search, best first; with size 1 the one that `reply` picks.

        A reply that holds one of `stops` is whole, and is cut before the first. `batch_rows` hypotheses are held at a
        time. It takes turns with no other replies, as the engine's do.

        Raises:
            ValueError: If a part cannot be taken, or a prompt leaves no room in the context.
            OutOfCache: If there is no memory for so many rows at once.
        """
        start, text = self.vocabulary.start_of("text"), self.codecs.text

        def text_of(ids: Sequence[int]) -> str:
            return text.decode_text([token - start for token in ids])

        def is_stopped(ids: Sequence[int]) -> bool:
            written = text_of(ids)
            return any(stop in written for stop in stops)

        found: list[list[FoundReply]] = []
        at_once = max(1, batch_rows // search.size)
        for first in range(0, len(prompts), at_once):
            rows = [self._prompt_ids(prompt, WRITTEN) for prompt in prompts[first : first + at_once]]
            results = search_replies(self._prepared, rows, search=search, max_tokens=max_tokens, is_stopped=is_stopped)
            found += [
                [FoundReply(before_stop(text_of(own.ids), stops), own.log_prob, own.score) for own in hypotheses]
                for hypotheses in results
            ]
        return found

    def reply_logprobs(
        self, prompt: Prompt | None, replies: Sequence[str | Sequence[int]], *, num_top: int = 0
    ) -> list[tuple[TokenLogprob, ...]]:
        """How likely each token of these written replies is, with so many of the likeliest at its place.

        A reply is a text, or codes of the text codec. Without a prompt it is a reply to nothing: what the model would
        say by itself. The prompt is fed once for all of them.

        Raises:
            ValueError: If a part cannot be taken, a reply is empty or holds no codes of text, or does not fit.
            OutOfCache: If there is no memory for the prompt.
        """
        ids = [v.BOS, v.USER, *open_reply(WRITTEN)] if prompt is None else self._prompt_ids(prompt, WRITTEN)
        rows = [self._reply_ids(reply) for reply in replies]
        (found,) = reply_token_scores(self._prepared, [(ids, rows)], num_top=num_top)
        num_read = len(fold(ids, self.vocabulary)) + sum(map(len, rows))
        self._engine.on_usage(Usage(prompt=TokenCounts(text=num_read)))
        return [
            tuple(
                as_logprob(token, own, codec=self.codecs.text, vocabulary=self.vocabulary)
                for token, own in zip(row, scores, strict=True)
            )
            for row, scores in zip(rows, found, strict=True)
        ]

    def _reply_ids(self, reply: str | Sequence[int]) -> list[int]:
        if not reply:
            raise ValueError("an empty reply has no likelihood; give at least one character")
        codes = self.codecs.text.encode_text(reply) if isinstance(reply, str) else list(reply)
        size = self.vocabulary.specs["text"].size
        if wrong := [code for code in codes if not 0 <= code < size]:
            raise ValueError(f"codes of text are from 0 to {size - 1}, got {wrong[:8]}")
        return self.vocabulary.to_ids("text", codes)

    def _asked(self, prompt: Prompt) -> Conversation:
        """A conversation of which one reply is wanted."""
        history = as_messages(prompt)
        return Conversation(self._engine, self.codecs, rulebook=self._rulebook, history=history, is_asked_at_once=True)

    def _prompt_ids(self, prompt: Prompt, wants: frozenset[Want]) -> list[int]:
        messages = [encode(message, self.codecs) for message in as_messages(prompt)]
        ids = [*lay_out(messages, self.vocabulary).ids, *open_reply(wants)]
        # A position holds one id or more: few ids need not be folded to be counted.
        if len(ids) + 2 > self.context and (num := len(fold(ids, self.vocabulary))) + 2 > self.context:
            raise ValueError(
                f"the prompt holds {num} tokens, the model's context is {self.context}; give shorter parts"
            )
        return ids

    def _whole(self, generation: Generation, rules: TextRules | None) -> Reply:
        builder, reply = ReplyBuilder(self.codecs, self.vocabulary, is_live=False, rules=rules), generation.reply
        scores = reply.ruling.token_scores if reply.ruling is not None else [None] * len(reply.ids)
        for token, own in zip(reply.ids, scores, strict=True):
            builder.push(token, own)
        return finished(builder.finish(reply.finish_reason, prompt=generation.prompt))


def as_messages(prompt: Prompt) -> list[Message]:
    """A prompt as messages.

    Raises:
        ValueError: If it mixes messages with parts, or does not end with the user's turn.
    """
    if isinstance(prompt, Sequence) and not isinstance(prompt, str):
        messages = [item for item in prompt if isinstance(item, Message)]
        if messages and len(messages) < len(prompt):
            raise ValueError("a prompt holds either messages or parts, not both; put the parts into a Message")
        if messages:
            if messages[-1].role != "user":
                raise ValueError("the last message is the assistant's; end the prompt with the user's turn")
            return messages
        return [Message("user", as_parts([item for item in prompt if not isinstance(item, Message)]))]
    return [Message("user", as_parts(prompt))]


def _wants_of(want: str | Iterable[str] | Sequence[frozenset[Want]], count: int) -> list[frozenset[Want]]:
    if not isinstance(want, str):
        items = list(want)
        if items and all(isinstance(item, frozenset) for item in items):
            if len(items) != count:
                raise ValueError(f"{count} prompts need {count} wants, got {len(items)}")
            return [wanted(item) for item in items]
        return [wanted([str(item) for item in items])] * count
    return [wanted(want)] * count
