"""Sources of a sequence-to-sequence model decoded in batches of like length, and given back in their own order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence

from omniloom.generation.beam.search import BeamSearch, Hypothesis, beam_search
from omniloom.models.seq2seq import SequenceModel
from omniloom.models.seq2seq.config import EOS, PAD


@torch.inference_mode()
def translate(
    model: SequenceModel,
    sources: Sequence[Sequence[int]],
    search: BeamSearch = BeamSearch(),
    *,
    batch_rows: int = 32,
    on_batch: Callable[[int], object] = lambda rows: None,
) -> list[list[Hypothesis]]:
    """The best targets of each source, best first; the source's ids end with the end id, as in training.

    A target has at most as many ids as its source and `search.extra_length` more. The longest sources come first, so
    that what does not fit into memory fails at once. `on_batch` hears how many are done each time some are.

    Raises:
        ValueError: If a source is empty or holds an id that the model does not have, or the model is in training mode.
    """
    if batch_rows < 1:
        raise ValueError(f"batch_rows must be at least 1, got {batch_rows}")
    _check(sources, num_ids=model.vocabulary.source_size or model.vocabulary.size)
    found: list[list[Hypothesis]] = [[] for _ in sources]
    device = next(cast(nn.Module, model).parameters()).device
    order = sorted(range(len(sources)), key=lambda number: len(sources[number]), reverse=True)
    for start in range(0, len(order), batch_rows):
        numbers = order[start : start + batch_rows]
        rows = [torch.as_tensor(sources[number], dtype=torch.long) for number in numbers]
        padded = pad_sequence(rows, batch_first=True, padding_value=PAD).to(device)
        state = model.decoding(padded)
        first_ids = torch.full((len(rows),), PAD, device=device)
        lengths = [len(row) + search.extra_length for row in rows]
        results = beam_search(state, first_ids, end_id=EOS, max_lengths=lengths, search=search)
        for number, result in zip(numbers, results, strict=True):
            found[number] = result
        on_batch(len(rows))
    return found


def _check(sources: Sequence[Sequence[int]], *, num_ids: int) -> None:
    for number, source in enumerate(sources):
        if not len(source):
            raise ValueError(f"source {number} has no ids; even an empty one ends with the end id {EOS}")
        least, most = min(source), max(source)
        if least <= PAD or most >= num_ids:
            raise ValueError(f"source {number} must hold ids from 1 to {num_ids - 1}, got {least} to {most}")
