"""The grammar equals the layout: every reply that is laid out is accepted, and every path through it decodes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omniloom.stream import vocabulary as v
from omniloom.stream.grammar import ReplyGrammar, ReplyLimits
from omniloom.stream.layout import EncodedMessage, lay_out
from omniloom.stream.vocabulary import CodecSpec, Plane, Vocabulary

TEXT, COLOUR, COVERAGE, CODEBOOK = 50, 12, 20, 30
NUM_COLOUR, NUM_COVERAGE = 4, 9

VOCABULARY = Vocabulary(
    [
        CodecSpec(modality="text", fingerprint="t", planes=(Plane(name="text", size=TEXT),)),
        CodecSpec(
            modality="audio",
            fingerprint="a",
            planes=(Plane(name="audio.0", size=CODEBOOK, count=1), Plane(name="audio.1", size=CODEBOOK, count=1)),
        ),
        CodecSpec(
            modality="image",
            fingerprint="i",
            planes=(
                Plane(name="image.colour", size=COLOUR, count=NUM_COLOUR),
                Plane(name="image.coverage", size=COVERAGE, count=NUM_COVERAGE),
            ),
        ),
    ]
)
LIMITS = ReplyLimits(text_tokens=6, frames=5)
WANTS = [{"text"}, {"audio"}, {"image"}, {"audio", "image"}]
GRAMMARS = {frozenset(wants): ReplyGrammar(VOCABULARY, wants, limits=LIMITS) for wants in WANTS}

texts = st.lists(st.integers(0, TEXT - 1), min_size=1, max_size=LIMITS.text_tokens)
sounds = st.lists(
    st.tuples(st.integers(0, CODEBOOK - 1), st.integers(CODEBOOK, 2 * CODEBOOK - 1)), min_size=1, max_size=LIMITS.frames
).map(lambda frames: [code for frame in frames for code in frame])
units = st.lists(st.tuples(texts, sounds), min_size=1, max_size=4).map(
    lambda found: [part for text, sound in found for part in (("text", text), ("audio", sound))]
)
pictures = st.tuples(
    st.lists(st.integers(0, COLOUR - 1), min_size=NUM_COLOUR, max_size=NUM_COLOUR),
    st.lists(st.integers(COLOUR, COLOUR + COVERAGE - 1), min_size=NUM_COVERAGE, max_size=NUM_COVERAGE),
).map(lambda planes: [("image", planes[0] + planes[1])])
written = texts.map(lambda codes: [("text", codes)])
replies = st.one_of(
    written,
    units,
    pictures,
    st.tuples(written, pictures).map(lambda p: p[0] + p[1]),
    st.tuples(units, pictures).map(lambda p: p[0] + p[1]),
)


def runs_of(ids: list[int]) -> list[tuple[str, list[int]]]:
    """The parts of a reply, read back from its ids alone."""
    found: list[tuple[str, list[int]]] = []
    for token in ids:
        modality = VOCABULARY.modality_of(token)
        if modality is None:
            continue
        if not found or found[-1][0] != modality:
            found.append((modality, []))
        found[-1][1].append(token - VOCABULARY.start_of(modality))
    return found


def check_decodes(modality: str, codes: list[int]) -> None:
    planes = [plane for plane in VOCABULARY.planes_of(modality) for _ in range(max(1, plane.plane.count))]  # type: ignore[arg-type]
    first = VOCABULARY.start_of(modality)  # type: ignore[arg-type]
    assert len(codes) % len(planes) == 0
    if modality == "image":
        assert len(codes) == len(planes)
    for place, code in enumerate(codes):
        plane = planes[place % len(planes)]
        assert plane.start <= code + first < plane.stop


@given(replies)
def test_every_reply_that_is_laid_out_is_accepted(parts: list[tuple[str, list[int]]]) -> None:
    message = EncodedMessage("assistant", tuple(parts))  # type: ignore[arg-type]
    row = lay_out([message], VOCABULARY)
    reply = row.ids[row.ids.index(v.ASSISTANT) + 1 :]
    assert GRAMMARS[message.wants].accepts(reply)
    assert not GRAMMARS[message.wants].accepts(reply[:-1])


@settings(max_examples=200)
@given(st.sampled_from(WANTS), st.data())
def test_every_path_decodes_and_can_end(wants: set[str], data: st.DataObject) -> None:
    grammar = GRAMMARS[frozenset(wants)]
    state, ids = grammar.start(), []
    while not grammar.is_done(state):
        ranges = grammar.allowed_ranges(state)
        closing = [pair for pair in ranges if pair[0] in (v.END, v.IMAGE)]
        # Past 60 tokens the path ends as soon as the grammar lets it, which it must within one unit and one picture.
        pick = closing[0] if closing and len(ids) > 60 else data.draw(st.sampled_from(ranges))
        token = data.draw(st.integers(pick[0], pick[1] - 1))
        assert bool(grammar.allowed(state)[token])
        state = grammar.advance(state, token)
        ids.append(token)
        longest = LIMITS.text_tokens + 2 * LIMITS.frames + NUM_COLOUR + NUM_COVERAGE + 2
        assert len(ids) <= 61 + longest
    found = runs_of(ids)
    kinds = {modality for modality, _ in found}
    assert wants <= kinds <= wants | {"text"}
    for modality, codes in found:
        check_decodes(modality, codes)


@pytest.mark.parametrize("wants", WANTS)
def test_masks_ranges_and_advance_agree(wants: set[str]) -> None:
    grammar = GRAMMARS[frozenset(wants)]
    for state in range(grammar.num_states):
        by_range = {token for first, stop in grammar.allowed_ranges(state) for token in range(first, stop)}
        by_mask = set(grammar.allowed(state).nonzero().flatten().tolist())
        assert by_mask == by_range
        assert by_mask, "no state is a dead end"
        for token in set(range(VOCABULARY.size)) - by_mask:
            with pytest.raises(ValueError, match=f"token {token} may not follow"):
                grammar.advance(state, token)


def test_masks_are_shared() -> None:
    grammar = ReplyGrammar(VOCABULARY, {"audio", "image"})
    assert len({id(grammar.allowed(state)) for state in range(grammar.num_states)}) < 12


def test_text_follows_only_a_whole_frame() -> None:
    grammar = GRAMMARS[frozenset({"audio"})]
    text, audio = VOCABULARY.start_of("text"), VOCABULARY.start_of("audio")
    state = grammar.advance(grammar.advance(grammar.start(), text), audio)
    assert grammar.allowed_ranges(state) == [(audio + CODEBOOK, audio + 2 * CODEBOOK)]
    state = grammar.advance(state, audio + CODEBOOK)
    assert bool(grammar.allowed(state)[text]) and bool(grammar.allowed(state)[v.END])


def test_runs_stop_at_their_limits() -> None:
    grammar = GRAMMARS[frozenset({"audio"})]
    text, audio = VOCABULARY.start_of("text"), VOCABULARY.start_of("audio")
    state = grammar.start()
    for _ in range(LIMITS.text_tokens):
        state = grammar.advance(state, text)
    assert grammar.allowed_ranges(state) == [(audio, audio + CODEBOOK)]
    for _ in range(LIMITS.frames):
        state = grammar.advance(grammar.advance(state, audio), audio + CODEBOOK)
    assert not bool(grammar.allowed(state)[audio])
    assert bool(grammar.allowed(state)[text])


def test_a_finished_reply_waits_on_padding() -> None:
    grammar = GRAMMARS[frozenset({"text"})]
    state = grammar.advance(grammar.advance(grammar.start(), VOCABULARY.start_of("text")), v.END)
    assert grammar.is_done(state)
    assert grammar.advance(state, v.PAD) == state


def test_limits_refuse_nothing() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        ReplyLimits(frames=0)
