"""Texts through a model of pairs: to ids, by beam search, and back, with their markup going round it."""

from __future__ import annotations

from collections.abc import Sequence

from omniloom.core.progress import Progress
from omniloom.data.problems.pairs import PairEncoders
from omniloom.generation.beam import BeamSearch, translate
from omniloom.models.seq2seq import SequenceModel


def answers_of(
    model: SequenceModel,
    encoders: PairEncoders,
    texts: Sequence[str],
    *,
    search: BeamSearch,
    title: str = "decoding",
    is_shown: bool = True,
) -> list[str]:
    """The best answer to each text, its markup put back; progress is shown unless `is_shown` is False.

    Raises:
        ValueError: If a text holds what the vocabulary has no id for; it is named by its place.
    """
    markup = encoders.markup
    rows, pieces = source_rows(encoders, texts)
    if is_shown:
        with Progress(title, total=len(rows), unit="text") as progress:
            found = translate(model, rows, search, on_batch=progress.advance)
    else:
        found = translate(model, rows, search)
    answers = [encoders.target.decode(best.ids) for best, *_ in found]
    if markup is None:
        return answers
    return [markup.put_back(answer, own) for answer, own in zip(answers, pieces, strict=True)]


def source_rows(encoders: PairEncoders, texts: Sequence[str]) -> tuple[list[list[int]], list[list[str]]]:
    """The ids of each text, and the markup that was taken out of it.

    Raises:
        ValueError: If a text holds what the vocabulary has no id for; it is named by its place.
    """
    markup, rows, pieces = encoders.markup, [], []
    for number, text in enumerate(texts, start=1):
        plain, own = (text, []) if markup is None else markup.taken_out(text)
        pieces.append(own)
        try:
            rows.append(encoders.source.encode(plain))
        except ValueError as error:
            raise ValueError(f"text {number}: {error}") from error
    return rows, pieces
