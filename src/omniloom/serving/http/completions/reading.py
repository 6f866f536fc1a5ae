"""A completion request to what the model is asked: its prompts as turns, and given text to be scored.

The model has learned conversations, so a prompt is what the user says and a completion is the written reply. How likely
a *given* text is can be asked in two ways, for what stands in a user's turn the model never chooses: with `reply_at`,
the rest of the prompt is scored as a reply to what comes before; without, the whole prompt is scored as what the model
might say by itself, in reply to nothing. The second is what tools ask that know no conversations; the first is what
`Omni.likelihoods` gives.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from omniloom.codecs.base import AnyTextCodec
from omniloom.generation import Omni
from omniloom.generation.rules import TextRules, TokenLogprob
from omniloom.serving.http.asking import length_of, sampling_of, text_part
from omniloom.serving.http.completions import wire
from omniloom.serving.http.errors import ApiError, named
from omniloom.serving.http.work import Asked
from omniloom.serving.realtime.limits import Limits
from omniloom.stream.message import Message


@dataclass(frozen=True)
class Given:
    """One prompt: its text, and its codes where it came as such."""

    text: str
    codes: tuple[int, ...] | None = None


def check(request: wire.CompletionRequest) -> None:
    """Check what needs no model.

    Raises:
        ApiError: If fields contradict each other.
    """
    if request.stream_options is not None and not request.stream:
        raise ApiError("stream_options needs stream: true", code="invalid_value", param="stream_options")
    if request.max_tokens == 0 and not request.echo:
        raise ApiError(
            "max_tokens 0 needs echo: true; nothing would be answered", code="invalid_value", param="max_tokens"
        )
    if request.reply_at is not None and not (request.echo and request.logprobs is not None and request.max_tokens == 0):
        raise ApiError(
            "reply_at scores a given reply; it needs echo: true, logprobs and max_tokens 0",
            code="invalid_value",
            param="reply_at",
        )


def prompts_of(request: wire.CompletionRequest, codec: AnyTextCodec, limits: Limits) -> list[Given]:
    """The prompts, of which each holds something visible and is not too long.

    Raises:
        ApiError: If one is not, or with their choices they are too many.
    """
    prompt = request.prompt
    if isinstance(prompt, str):
        found = [Given(prompt)]
    elif isinstance(prompt[0], int):
        found = [_of_codes([code for code in prompt if isinstance(code, int)], codec, "prompt")]
    else:
        several = cast("list[str | list[int]]", prompt)
        found = [
            Given(one) if isinstance(one, str) else _of_codes(one, codec, f"prompt.{place}")
            for place, one in enumerate(several)
        ]
    for place, given in enumerate(found):
        text_part(given.text, limits, param="prompt" if len(found) == 1 else f"prompt.{place}")
    if len(found) * (request.n or 1) > wire.MAX_TEXTS:
        raise ApiError(
            f"{len(found)} prompts with {request.n} choices each are {len(found) * (request.n or 1)} texts, at most "
            f"{wire.MAX_TEXTS} are made; send fewer at a time",
            code="invalid_value",
            param="n",
        )
    return found


def asked_of(request: wire.CompletionRequest, given: Given, omni: Omni, limits: Limits) -> Asked:
    """The reply that a prompt asks for, but for the seed."""
    stops = [request.stop] if isinstance(request.stop, str) else request.stop or []
    return Asked(
        turns=[omni.turns.encode(Message("user", (text_part(given.text, limits, param="prompt"),)))],
        want=frozenset({"text"}),
        sampling=sampling_of(request.temperature, request.top_p),
        max_tokens=length_of(limits, wire.DEFAULT_TOKENS if request.max_tokens is None else request.max_tokens),
        rules=TextRules(stop=tuple(stops), num_logprobs=request.logprobs),
    )


@dataclass(frozen=True)
class Echo:
    """A prompt as it is repeated: the texts of the tokens that the user says, and the scored tokens of the rest."""

    said: tuple[bytes, ...]
    scored: tuple[TokenLogprob, ...]


class EchoJob:
    """Scores given texts. Prompts of which the user says the same are read once for all of them."""

    def __init__(self, omni: Omni, prompts: Sequence[Given], *, num_top: int, reply_at: int | None) -> None:
        self._omni, self._prompts = omni, prompts
        self._num_top, self._reply_at = num_top, reply_at
        self._is_cancelled = False

    def run(self) -> Iterator[tuple[int, Echo]]:
        """Places of prompts with what is told of them."""
        codec = self._omni.codecs.text
        groups: dict[str, list[tuple[int, tuple[bytes, ...], Sequence[int]]]] = {}
        for place, given in enumerate(self._prompts):
            said, before, reply = _cut(given, self._reply_at, codec)
            tokens = tuple(codec.token_bytes[code] for code in before)
            groups.setdefault(said, []).append((place, tokens, reply))
        for said, members in groups.items():
            if self._is_cancelled:
                return
            replies = [reply for _, _, reply in members]
            scored = named(
                lambda said=said, replies=replies: self._omni.reply_logprobs(  # type: ignore[misc]
                    said or None, replies, num_top=self._num_top
                ),
                param="prompt",
            )
            for (place, tokens, _), own in zip(members, scored, strict=True):
                yield place, Echo(tokens, own)

    def cancel(self) -> None:
        self._is_cancelled = True


def _of_codes(codes: Sequence[int], codec: AnyTextCodec, param: str) -> Given:
    return Given(named(lambda: codec.decode_text(codes), param=param), tuple(codes))


def _cut(given: Given, reply_at: int | None, codec: AnyTextCodec) -> tuple[str, Sequence[int], Sequence[int]]:
    """What the user says, the codes that are not scored, and those that are.

    A reply begins without the space that stands before it in a prompt.

    Raises:
        ApiError: If the reply would begin behind the prompt's end, or there is none.
    """
    if reply_at is None:
        return "", (), given.codes if given.codes is not None else codec.encode_text(given.text)
    if given.codes is not None:
        said, reply = given.codes[:reply_at], given.codes[reply_at:]
        text, before = codec.decode_text(said), said
    else:
        text = given.text[:reply_at]
        rest = given.text[reply_at:]
        words = rest.lstrip()
        before = tuple(codec.encode_text(given.text[: len(given.text) - len(words)]))
        reply = tuple(codec.encode_text(words))
    if not reply or not text:
        raise ApiError(
            f"reply_at {reply_at} leaves nothing that is said before it, or no reply after it, in {given.text[-40:]!r}",
            code="invalid_value",
            param="reply_at",
        )
    return text, before, reply
