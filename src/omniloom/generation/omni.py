"""`Omni`: a model to talk to. Text, sound and pictures in; text, speech and pictures out.

omni = Omni.load("tiny")
reply = omni.reply(["Which digit is this?", Audio.open("seven.wav")], want="text")
print(reply.text)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from omniloom.codecs.bundle import CodecSet
from omniloom.generation import loading
from omniloom.generation.batch import FinishedRow, decode_rows
from omniloom.generation.conversation import MAX_REPLY_TOKENS, Conversation, encode, finished
from omniloom.generation.decoder import PreparedModel
from omniloom.generation.engine import Engine
from omniloom.generation.reply import Event, Reply, ReplyBuilder, Usage
from omniloom.generation.rules import Rulebook, TextRules
from omniloom.generation.sampling import Sampling
from omniloom.generation.turns import TurnCodec
from omniloom.models import OmniModel
from omniloom.stream.folding import fold
from omniloom.stream.grammar import ReplyLimits
from omniloom.stream.layout import lay_out, open_reply
from omniloom.stream.message import Message, Want, as_parts, wanted
from omniloom.stream.parts import Part
from omniloom.stream.vocabulary import Vocabulary

Prompt = str | Part | Sequence[str | Part] | Sequence[Message]
"""What is asked: one part, several, or a whole conversation that ends with the user's turn."""


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
    ) -> None:
        """`limits` bounds the runs of a reply; without it, the grammar's own do."""
        model.vocabulary.require(codecs.specs)
        self.model = model
        self.codecs = codecs
        self.scores = scores or {}
        self.card = card
        self._prepared = PreparedModel(model, limits=limits)
        self._engine = Engine(self._prepared)
        self._rulebook = Rulebook(model.vocabulary, codecs.text)
        self.turns = TurnCodec(codecs, model.vocabulary)

    @classmethod
    def load(cls, name_or_folder: str | Path = "tiny") -> Omni:
        """The model of that name that comes with the package, or that in a checkpoint folder.

        Raises:
            ValueError: If there is none, or the folder is torn, foreign or does not fit its codecs.
        """
        found = loading.load(name_or_folder)
        return cls(found.model, found.codecs, scores=found.scores, card=found.card)

    @property
    def vocabulary(self) -> Vocabulary:
        return self.model.vocabulary

    @property
    def context(self) -> int:
        """Positions that a conversation may hold, replies included; one in a prompt may hold several tokens."""
        return self.model.config.context

    @property
    def instruction_set(self) -> str:
        """What single tokens are decoded with: avx512, avx2, portable, or the slow torch reference."""
        return self._prepared.decode_step.instruction_set

    @property
    def reads_turn_end(self) -> bool:
        """Whether `Conversation.hear` tells how likely the speaker has finished."""
        return self.vocabulary.has_turn_end

    def on_usage(self, tell: Callable[[Usage], None]) -> None:
        """Have `tell` called with what each reply took, once it has ended, in the thread that reads it."""
        self._engine.on_usage = tell

    def conversation(self, history: Sequence[Message] = ()) -> Conversation:
        """A new conversation, or one that goes on from these messages."""
        return Conversation(self._engine, self.codecs, rulebook=self._rulebook, history=history)

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
        conversation = self.conversation(as_messages(prompt))
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
        return finished(self.stream(prompt, want, sampling=sampling, seed=seed, max_tokens=max_tokens, rules=rules))

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
        """A reply to each prompt, as `reply` gives it, but decoded together.

        `benchmarks/generation/bench_decode.py` times a token of 64 rows together beside one alone.

        `want` is one for all, or a list with a frozenset for each; so are `seed` and `rules`.
        """
        if not prompts:
            return []
        wants = _wants_of(want, len(prompts))
        demands = [rules] * len(prompts) if rules is None or isinstance(rules, TextRules) else list(rules)
        seeds = [seed] * len(prompts) if isinstance(seed, int) else list(seed)
        rows = [self._prompt_ids(prompt, row_wants) for prompt, row_wants in zip(prompts, wants, strict=True)]
        decoded = decode_rows(
            self._prepared,
            rows,
            wants,
            sampling=sampling,
            seeds=seeds,
            max_tokens=max_tokens,
            batch_rows=batch_rows,
            rulings=[self._rulebook.ruling(own, row_wants) for own, row_wants in zip(demands, wants, strict=True)],
        )
        return [self._whole(row, own) for row, own in zip(decoded, demands, strict=True)]

    def _prompt_ids(self, prompt: Prompt, wants: frozenset[Want]) -> list[int]:
        messages = [encode(message, self.codecs) for message in as_messages(prompt)]
        ids = [*lay_out(messages, self.vocabulary).ids, *open_reply(wants)]
        num_positions = len(fold(ids, self.vocabulary))
        if num_positions + 2 > self.context:
            raise ValueError(
                f"the prompt holds {num_positions} tokens, the model's context is {self.context}; give shorter parts"
            )
        return ids

    def _whole(self, row: FinishedRow, rules: TextRules | None) -> Reply:
        builder = ReplyBuilder(self.codecs, self.vocabulary, is_live=False, rules=rules)
        for token, scores in zip(row.ids, row.token_scores, strict=True):
            builder.push(token, scores)
        return finished(builder.finish(row.finish_reason, prompt=row.prompt))


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
