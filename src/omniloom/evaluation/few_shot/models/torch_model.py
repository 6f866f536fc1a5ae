"""A causal torch model of text: any module with the call signature of transformers' causal models.

That signature is what most models of text have, and its cache is what lets a prefix be computed once for all of its
continuations, and what all prefixes begin with once for all of them. Rejected: scoring prefix and continuation as one
row each (the prefix again for every option), and `generate` of transformers, which a module of one's own does not have.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from omniloom.codecs.base import fingerprint
from omniloom.evaluation.few_shot.models.base import Likelihood, ScoreRequest, TokenCount, WriteRequest, cut_at_stop
from omniloom.evaluation.few_shot.models.causal_rows import CausalModel, CausalRows, SharedBeginning, common_ids
from omniloom.generation.beam import BeamSearch, beam_search

BATCH_TOKENS = 8192
"""Most positions that are held at once, padding included."""

SCORED_TOKENS = 1024
"""Most that go through the model at once where options are scored: what is worked on then stays in a core's cache
(benchmarks/evaluation/bench_few_shot.py). Written answers gain more from many rows at each step."""


class Tokens(Protocol):
    """Strings to ids and back; a tokenizer of transformers needs `plain`, for its `encode` adds ids of its own."""

    def encode(self, text: str) -> list[int]: ...

    def decode(self, ids: Sequence[int]) -> str: ...


class TorchLanguageModel:
    """`start_ids` open every row, as a model's <bos>; `end_ids` end what it writes."""

    def __init__(
        self,
        model: nn.Module,
        tokens: Tokens,
        *,
        context: int,
        name: str | None = None,
        start_ids: Sequence[int] = (),
        end_ids: Sequence[int] = (),
        batch_tokens: int = BATCH_TOKENS,
    ) -> None:
        """Without a `name` the weights' fingerprint is taken, so that results of other weights are never mixed in.

        Raises:
            ValueError: If the model cannot go on from a cache.
        """
        self._model = CausalModel(model)
        self._tokens = tokens
        self._start_ids, self._end_ids = list(start_ids), frozenset(end_ids)
        self._batch_tokens = batch_tokens
        self.context = context
        self.name = name or f"{type(model).__name__} {fingerprint({}, dict(model.state_dict()))}"

    @property
    def count(self) -> TokenCount:
        """Of all that was asked of it so far."""
        return self._model.count

    @classmethod
    def from_pretrained(cls, name_or_folder: str, *, device: str | None = None) -> TorchLanguageModel:
        """A causal model of transformers with its tokenizer (extra `hf`)."""
        from transformers import AutoModelForCausalLM, AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(name_or_folder)
        model: Any = AutoModelForCausalLM.from_pretrained(name_or_folder)
        if device is not None:
            model = model.to(device)
        ends = model.generation_config.eos_token_id
        return cls(
            model,
            Plain(tokenizer),
            context=model.config.max_position_embeddings,
            name=f"{name_or_folder} {fingerprint({}, dict(model.state_dict()))}",
            start_ids=tokenizer("").input_ids or _one(tokenizer.bos_token_id),
            end_ids=ends if isinstance(ends, list) else _one(ends),
        )

    def num_tokens(self, text: str) -> int:
        return len(self._start_ids) + len(self._tokens.encode(text))

    def score(self, requests: Sequence[ScoreRequest]) -> Iterator[tuple[int, tuple[Likelihood, ...]]]:
        if not requests:
            return
        split = [self._split(request) for request in requests]
        beginning = self._beginning([shared for shared, _ in split])
        sizes = [len(shared) + sum(map(len, rests)) - beginning.length for shared, rests in split]
        most = min(SCORED_TOKENS, self._batch_tokens)
        for places in self._batches(sizes, beginning.length, most):
            yield from zip(places, self._scored([split[place] for place in places], beginning), strict=True)

    def write(self, requests: Sequence[WriteRequest]) -> Iterator[tuple[int, str]]:
        for search in dict.fromkeys(request.search for request in requests):
            own = [place for place, request in enumerate(requests) if request.search == search]
            prefixes = [self._start_ids + self._tokens.encode(requests[place].prefix) for place in own]
            beginning = self._beginning(prefixes)
            sizes = [
                search.size * (len(ids) + requests[place].max_tokens) - beginning.length
                for ids, place in zip(prefixes, own, strict=True)
            ]
            for numbers in self._batches(sizes, beginning.length * search.size, self._batch_tokens):
                batch = [requests[own[number]] for number in numbers]
                texts = self._written([prefixes[number] for number in numbers], batch, search, beginning)
                yield from zip([own[number] for number in numbers], texts, strict=True)

    @torch.inference_mode()
    def _beginning(self, rows: Sequence[Sequence[int]]) -> SharedBeginning:
        return SharedBeginning(self._model, rows)

    def _split(self, request: ScoreRequest) -> tuple[list[int], list[list[int]]]:
        """The ids that all continuations share with the prefix, and what each has beyond them.

        Each whole text is encoded, for a token may reach over the end of the prefix; it then belongs to the
        continuation.
        """
        wholes = [self._start_ids + self._tokens.encode(request.prefix + own) for own in request.continuations]
        shared = common_ids(self._start_ids + self._tokens.encode(request.prefix), *wholes)
        rests = [whole[len(shared) :] for whole in wholes]
        if not shared or not all(rests):
            raise ValueError(
                f"a continuation of {request.prefix[-40:]!r} cannot be scored: there is nothing before it, or nothing "
                "in it; give the model start_ids, and continuations that are not empty"
            )
        return shared, rests

    def _batches(self, sizes: Sequence[int], num_held: int, most: int) -> Iterator[list[int]]:
        """Places of rows that go together, the longest first: of `sizes`, each beside `num_held` that it holds too."""
        order = sorted(range(len(sizes)), key=lambda place: sizes[place], reverse=True)
        while order:
            largest = sizes[order[0]]
            count = max(1, min(most // largest, self._batch_tokens * 4 // (largest + num_held)))
            yield order[:count]
            order = order[count:]

    @torch.inference_mode()
    def _scored(
        self, batch: Sequence[tuple[list[int], list[list[int]]]], beginning: SharedBeginning
    ) -> list[tuple[Likelihood, ...]]:
        rows = CausalRows(self._model, [shared for shared, _ in batch], beginning)
        self.count.asked += sum(len(shared) + len(rest) for shared, rests in batch for rest in rests)
        rests = [rest for _, own in batch for rest in own]
        owners = torch.tensor([row for row, (_, own) in enumerate(batch) for _ in own], device=rows.logits.device)
        starts = torch.tensor([rest[0] for rest in rests], device=rows.logits.device)
        totals = rows.logits.log_softmax(-1)[owners, starts].double()
        are_likeliest = rows.logits.argmax(-1)[owners] == starts
        if max(map(len, rests)) > 1:
            later, are_later_likeliest = _later(rows, [own for _, own in batch], is_packed=self._model.packs)
            totals, are_likeliest = totals + later, are_likeliest & are_later_likeliest
        values = iter(zip(totals.tolist(), map(len, rests), are_likeliest.tolist(), strict=True))
        return [tuple(Likelihood(*next(values)) for _ in own) for _, own in batch]

    @torch.inference_mode()
    def _written(
        self,
        prefixes: Sequence[list[int]],
        requests: Sequence[WriteRequest],
        search: BeamSearch,
        beginning: SharedBeginning,
    ) -> list[str]:
        begun = CausalRows(self._model, prefixes, beginning)
        self.count.asked += sum(map(len, prefixes))
        found = self._likeliest(begun, prefixes, requests) if search.size == 1 else []
        if search.size > 1:
            lengths = [request.max_tokens for request in requests]
            first_ids = torch.zeros(len(prefixes), dtype=torch.long, device=begun.logits.device)

            def ends(rows: Int[Tensor, " A"], ids: Int[Tensor, "A C T"]) -> Bool[Tensor, "A C"]:
                own = zip(rows.tolist(), ids.tolist(), strict=True)
                told = [[self._ends(prefixes[n], list(written), requests[n]) for written in row] for n, row in own]
                return torch.tensor(told, device=ids.device)

            results = beam_search(begun, first_ids, end_id=ends, max_lengths=lengths, search=search)
            found = [self._without_end(best.ids) for best, *_ in results]
        self.count.asked += sum(map(len, found))
        texts = [self._text(prefix, written) for prefix, written in zip(prefixes, found, strict=True)]
        return [cut_at_stop(text, request.stops) for text, request in zip(texts, requests, strict=True)]

    def _likeliest(
        self, rows: CausalRows, prefixes: Sequence[list[int]], requests: Sequence[WriteRequest]
    ) -> list[list[int]]:
        """The likeliest token at each place, until all rows end; those that have are left out of what is computed."""
        written: list[list[int]] = [[] for _ in prefixes]
        going = list(range(len(prefixes)))
        logits = rows.logits
        while True:
            picked = logits.argmax(-1)
            for number, token in zip(going, picked.tolist(), strict=True):
                written[number].append(token)
            open_places = [
                place
                for place, number in enumerate(going)
                if len(written[number]) < requests[number].max_tokens
                and not self._ends(prefixes[number], written[number], requests[number])
            ]
            if not open_places:
                return [self._without_end(ids) for ids in written]
            if len(open_places) < len(going):
                kept = torch.tensor(open_places, device=picked.device)
                rows.reorder(kept)
                picked, going = picked[kept], [going[place] for place in open_places]
            logits = rows.add(picked)

    def _ends(self, prefix: list[int], written: list[int], request: WriteRequest) -> bool:
        """Whether nothing may follow the last token."""
        if written[-1] in self._end_ids:
            return True
        text = self._text(prefix, written)
        return cut_at_stop(text, request.stops) != text

    def _without_end(self, ids: Sequence[int]) -> list[int]:
        return list(ids[:-1] if ids and ids[-1] in self._end_ids else ids)

    def _text(self, prefix: list[int], written: list[int]) -> str:
        """What was written, behind the prefix's last token: some tokenizers drop the space of what comes first."""
        before = self._tokens.decode(prefix[-1:])
        return self._tokens.decode([*prefix[-1:], *written])[len(before) :]


def _later(
    rows: CausalRows, rests: Sequence[Sequence[Sequence[int]]], *, is_packed: bool
) -> tuple[Float[Tensor, " R"], Bool[Tensor, " R"]]:
    """The log-probability of what comes after each continuation's first token, and whether all of it is likeliest."""
    device = rows.logits.device
    flat = [rest for own in rests for rest in own]
    # The last token is only predicted; ids that fill a row up come after all that counts.
    asked = pad_sequence([torch.tensor(rest[1:], dtype=torch.long) for rest in flat], batch_first=True).to(device)
    lengths = torch.tensor([len(rest) - 1 for rest in flat], device=device)
    is_real = torch.arange(asked.shape[1], device=device) < lengths[:, None]
    if is_packed:
        logits = rows.scores_of_packs([[rest[:-1] for rest in own] for own in rests])
    else:
        given = pad_sequence([torch.tensor(rest[:-1], dtype=torch.long) for rest in flat], batch_first=True).to(device)
        rows.reorder(torch.tensor([row for row, own in enumerate(rests) for _ in own], device=device))
        logits = rows.scores_of(given, is_real.long())
    logprobs = logits.log_softmax(-1).gather(-1, asked[..., None])[..., 0].double()
    are_likeliest = (logits.argmax(-1) == asked) | ~is_real
    return logprobs.where(is_real, 0.0).sum(1), are_likeliest.all(1)


class Plain:
    """A tokenizer of transformers without the ids that it adds by itself."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def encode(self, text: str) -> list[int]:
        found: list[int] = self._tokenizer.encode(text, add_special_tokens=False)
        return found

    def decode(self, ids: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(ids), clean_up_tokenization_spaces=False))


def _one(token: int | None) -> list[int]:
    return [] if token is None else [token]
