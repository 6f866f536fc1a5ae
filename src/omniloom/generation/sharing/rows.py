"""Rows of a batch that take over what they begin with from one that was fed with it.

A beginning is fed when the first prompt that goes on from it is begun, and forgotten after the last one. A copy of its
keys and values costs a few per cent of computing them. Where memory is short beginnings are given up before a prompt
has to wait: then its row is fed in whole, with the same result.

Only native rows share: each has memory of its own, so that a copy disturbs no step that another thread takes. Paged
rows lie in one tensor, which a copy may move while a step reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from omniloom.generation.cache import OutOfCache
from omniloom.generation.decoder import PreparedModel, RowDecoder
from omniloom.generation.sharing.beginnings import Beginning, beginnings_of


class SharedRows:
    """Rows of these prompts, each to be begun once; `feed` takes what waits in a row through the model."""

    def __init__(
        self, prepared: PreparedModel, prompts: Sequence[Sequence[int]], feed: Callable[[RowDecoder], object]
    ) -> None:
        self._prepared, self._prompts, self._feed = prepared, prompts, feed
        self._beginnings = beginnings_of(prompts) if prepared.is_native else [None] * len(prompts)
        self._fed: dict[Beginning, RowDecoder] = {}

    def begun(self, place: int, *, num_more: int) -> RowDecoder:
        """A prompt's row with memory for `num_more` positions, as far as the context goes; its last position waits.

        Raises:
            OutOfCache: If there is no memory for it even without what is kept for others.
        """
        row = RowDecoder(self._prepared)
        try:
            self._append(row, place, num_more)
        except OutOfCache:
            if not self._fed:
                raise
            self._fed.clear()
            row.truncate(0)
            self._append(row, place, num_more)
        beginning = self._beginnings[place]
        if beginning is not None:
            self._take_over(row, beginning)
        return row

    def _append(self, row: RowDecoder, place: int, num_more: int) -> None:
        source = self._fed_before(self._beginnings[place])
        if source is not None:
            row.fold_as(source)
        row.append(self._prompts[place][len(row.ids) :])
        row.cache.reserve(min(row.num_positions + num_more, self._prepared.config.context))

    def _fed_before(self, beginning: Beginning | None) -> RowDecoder | None:
        """The longest beginning that is there already."""
        while beginning is not None and beginning not in self._fed:
            beginning = beginning.parent
        return None if beginning is None else self._fed[beginning]

    def _take_over(self, row: RowDecoder, beginning: Beginning) -> None:
        """Begin a row as a beginning's does, if there is memory for that one too."""
        source = self._fed.get(beginning)
        beginning.num_users -= 1
        if source is None and beginning.num_users > 0:
            try:
                source = self._fed_with(beginning)
            except OutOfCache:
                return
        if source is not None:
            row.adopt(source)
        elif beginning.parent is not None:  # The last one: it would be fed for nobody else.
            self._take_over(row, beginning.parent)
        if beginning.num_users <= 0:
            self._fed.pop(beginning, None)

    def _fed_with(self, beginning: Beginning) -> RowDecoder:
        source = RowDecoder(self._prepared)
        source.append(beginning.ids)
        if beginning.parent is not None:
            self._take_over(source, beginning.parent)
        self._feed(source)
        self._fed[beginning] = source
        return source
