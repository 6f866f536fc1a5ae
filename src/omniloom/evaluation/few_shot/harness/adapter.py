"""A language model as lm-evaluation-harness asks it: likelihoods, whole texts, and text up to a stop.

Any of our adapters stands behind it, so requests are batched and prefixes shared as everywhere here: those that follow
one another with the same context, as an item's options do, are scored together. Sampling is refused and not ignored,
for a score that says "temperature 0.8" and was had greedily would be another one's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from lm_eval.api.model import LM
from lm_eval.api.registry import register_model

from omniloom.evaluation.few_shot.models.base import LanguageModel, Likelihood, ScoreRequest, WriteRequest

MAX_TOKENS = 256
"""Of an answer whose task says nothing, as in the harness's own models."""

KNOWN = {"until", "max_gen_toks", "do_sample", "temperature"}


@register_model("omniloom")
class HarnessModel(LM):  # type: ignore[misc]
    """`model` in the harness; registered as "omniloom", where `checkpoint` is a shipped model's name or a folder."""

    def __init__(self, model: LanguageModel | None = None, *, checkpoint: str = "tiny", **ignored: Any) -> None:
        """The harness's own `batch_size` and `device` say nothing here and are taken without effect."""
        super().__init__()
        if left := set(ignored) - {"batch_size", "max_batch_size", "device"}:
            raise ValueError(f"model_args takes checkpoint=NAME, got {', '.join(sorted(left))}")
        if model is None:
            from omniloom.evaluation.few_shot.models.omni import OmniLanguageModel
            from omniloom.generation import Omni

            model = OmniLanguageModel(Omni.load(checkpoint), name=checkpoint)
        self.language_model = model

    def loglikelihood(self, requests: list[Any], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        """Of each continuation after its context, and whether it is what the model itself would write there."""
        runs = [
            (context, [continuation for _, continuation in run])
            for context, run in groupby((request.args for request in requests), key=lambda pair: pair[0])
        ]
        found = self._scored([ScoreRequest(context, tuple(own)) for context, own in runs])
        return [(own.logprob, _is_greedy(own)) for likelihoods in found for own in likelihoods]

    def loglikelihood_rolling(self, requests: list[Any], disable_tqdm: bool = False) -> list[float]:
        """Of whole texts, in pieces of half a context, each after the piece before it."""
        texts = [list(self._pieces(request.args[0])) for request in requests]
        asked = [ScoreRequest(before, (piece,)) for pieces in texts for before, piece in pieces]
        found = iter(self._scored(asked))
        return [sum(next(found)[0].logprob for _ in pieces) for pieces in texts]

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        """The likeliest token everywhere, up to a stop."""
        asked = [self._write_request(*request.args) for request in requests]
        found = dict(self.language_model.write(asked))
        return [found[place] for place in range(len(asked))]

    def _scored(self, requests: Sequence[ScoreRequest]) -> list[tuple[Likelihood, ...]]:
        found = dict(self.language_model.score(requests))
        return [found[place] for place in range(len(requests))]

    def _pieces(self, text: str) -> Iterator[tuple[str, str]]:
        """Each piece with the one before it, together within the context."""
        most, before = max(1, self.language_model.context // 2), ""
        while text:
            length = len(text)
            while length > 1 and self.language_model.num_tokens(text[:length]) > most:
                length = max(1, length * most // self.language_model.num_tokens(text[:length]))
            yield before, text[:length]
            before, text = text[:length], text[length:]

    def _write_request(self, context: str, settings: dict[str, Any]) -> WriteRequest:
        if settings.get("do_sample") or settings.get("temperature", 0.0):
            raise ValueError(f"answers are written greedily here, got {settings}; leave do_sample and temperature out")
        if unknown := set(settings) - KNOWN:
            raise ValueError(f"generation_kwargs {', '.join(sorted(unknown))} are not known; leave them out")
        until = settings.get("until") or []
        stops = (until,) if isinstance(until, str) else tuple(until)
        model, max_tokens = self.language_model, int(settings.get("max_gen_toks", MAX_TOKENS))
        room = model.context - model.num_tokens(context)
        if room < 1:
            raise ValueError(
                f"a prompt of {model.num_tokens(context)} tokens leaves no room in a context of {model.context}; "
                "ask for fewer shots"
            )
        return WriteRequest(context, stops, min(max_tokens, room))


def _is_greedy(own: Likelihood) -> bool:
    if own.is_likeliest is None:
        raise ValueError("this model does not tell if a text is its likeliest; the harness needs that of each")
    return own.is_likeliest
