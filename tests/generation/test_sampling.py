"""Picking tokens: draws follow what the settings keep, and each is the same alone, together and after any others."""

import math

import pytest
import torch

from omniloom import Sampling
from omniloom.generation import TokenChoice
from omniloom.generation.sampling import Picker, guided, pick_together
from omniloom.stream.grammar import NextIds
from omniloom.stream.vocabulary import END
from tests.stream.vocabularies import small_vocabulary

VOCABULARY = small_vocabulary()
TEXT, SOUND, _, COLOUR, _ = VOCABULARY.ranges
WORDS = NextIds(first=TEXT.start, stop=TEXT.start + 4, shift=0, gaps=(), modality="text", sound=None)
COLOURS = WORDS._replace(first=COLOUR.start, stop=COLOUR.stop, modality="image")
# As after a frame of speech: more of it, a word, or the end.
ANY = WORDS._replace(
    first=END, stop=SOUND.stop, gaps=((END + 1, TEXT.start),), modality="text", sound=(SOUND.start, SOUND.stop)
)
PROBABILITIES = [0.1, 0.4, 0.3, 0.2]
WARM = TokenChoice(temperature=1.0)
KEPT = [
    (Sampling(), [0, 1, 0, 0]),
    (Sampling(temperature=1.0), PROBABILITIES),
    (Sampling(temperature=0.5), [1 / 30, 16 / 30, 9 / 30, 4 / 30]),
    (Sampling(temperature=1.0, top_k=1), [0, 1, 0, 0]),
    (Sampling(temperature=1.0, top_k=2), [0, 4 / 7, 3 / 7, 0]),
    (Sampling(temperature=1.0, top_p=0.39), [0, 1, 0, 0]),
    (Sampling(temperature=1.0, top_p=0.5), [0, 4 / 7, 3 / 7, 0]),
    (Sampling(temperature=1.0, min_p=0.49), [0, 4 / 9, 3 / 9, 2 / 9]),
    (Sampling(temperature=1.0, top_k=3, top_p=0.7, min_p=0.01), [0, 4 / 7, 3 / 7, 0]),
    (Sampling(temperature=1.0, min_p=1.0), [0, 1, 0, 0]),
]


def scores_of(ids: NextIds, *, num_rows: int = 1, seed: int = 0) -> torch.Tensor:
    scores = torch.randn(num_rows, ids.stop - ids.first, generator=torch.Generator().manual_seed(seed)) * 2
    for first, stop in ids.gaps:
        scores[:, first - ids.first : stop - ids.first] = -torch.inf
    return scores


def chi_square(tokens: list[int], expected: list[float]) -> float:
    """Pearson's, of the draws from WORDS; infinite where one came that is not kept."""
    seen = torch.bincount(torch.tensor(tokens) - WORDS.first, minlength=len(expected)).double()
    wanted = torch.tensor(expected, dtype=torch.float64) * len(tokens)
    if seen[wanted == 0].sum():
        return math.inf
    return float(((seen - wanted)[wanted > 0] ** 2 / wanted[wanted > 0]).sum())


# With 3 degrees of freedom once in 2,000 tries above 17.7; the seeds are fixed.
MOST = 17.7


@pytest.mark.parametrize(
    ("sampling", "expected"), KEPT, ids=lambda value: str(value) if isinstance(value, list) else ""
)
def test_draws_follow_what_is_kept(sampling, expected):
    scores = torch.tensor(PROBABILITIES).log()
    picker = Picker(sampling, seed=0)
    assert chi_square([picker.pick(scores, WORDS) for _ in range(4000)], expected) < MOST
    pickers = [Picker(sampling, seed=seed) for seed in range(64)]
    rows = scores.expand(64, -1).contiguous()
    together = [token for _ in range(80) for token in pick_together(pickers, rows, WORDS)]
    assert chi_square(together, expected) < MOST


def test_draws_of_a_row_do_not_tell_those_of_the_next():
    """Pairs of neighbouring seeds and of neighbouring draws: all 16 combinations as often as each alone makes them."""
    pickers = [Picker(Sampling(temperature=1.0), seed=seed) for seed in range(2)]
    rows = torch.zeros(2, 4)
    drawn = torch.tensor([pick_together(pickers, rows, WORDS) for _ in range(4000)]) - WORDS.first
    for first, second in ((drawn[:, 0], drawn[:, 1]), (drawn[:-1, 0], drawn[1:, 0])):
        seen = torch.bincount(first * 4 + second, minlength=16).double()
        # 15 degrees of freedom: once in 2,000 tries above 40.
        assert ((seen - len(first) / 16) ** 2 / (len(first) / 16)).sum() < 40


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(),
        Sampling(temperature=1.0),
        Sampling(temperature=2.0, top_k=9, top_p=0.9, min_p=0.01),
        Sampling(audio=WARM),
        Sampling(text=WARM),
    ],
)
def test_together_equals_alone(sampling):
    """Also where rows are at different draws, and step with different neighbours."""
    alone, together = ([Picker(sampling, seed=seed % 5) for seed in range(12)] for _ in range(2))
    for step in range(30):
        ids = (WORDS, ANY, COLOURS)[step % 3]
        scores = scores_of(ids, num_rows=12, seed=step)
        rows = [row for row in range(12) if (row + step) % 4]
        expected = [alone[row].pick(scores[row], ids) for row in rows]
        assert pick_together([together[row] for row in rows], scores[rows], ids) == expected


@pytest.mark.parametrize("seed", [0, 7, -1, 2**63 + 5, 2**64 - 1])
def test_a_draw_depends_on_its_seed_and_number_alone(seed):
    scores = torch.zeros(4096)
    ids = WORDS._replace(stop=WORDS.first + 4096)
    picker = Picker(Sampling(temperature=1.0), seed=seed)
    drawn = [picker.pick(scores, ids) for _ in range(20)]
    other = Picker(Sampling(temperature=1.0), seed=seed)
    for number in range(20):
        if number != 11:
            other.pick(scores_of(WORDS, seed=number)[0], WORDS)
        else:
            assert other.pick(scores, ids) == drawn[11]
    assert len(set(drawn)) > 15
    next_seed = Picker(Sampling(temperature=1.0), seed=seed + 1)
    assert [next_seed.pick(scores, ids) for _ in range(20)] != drawn


def test_a_seed_draws_what_it_always_drew():
    """Philox4x32-10 of (seed, n), so no version of torch can change a seed's reply."""
    picker = Picker(Sampling(temperature=1.0), seed=3)
    before = torch.get_rng_state()
    ids = WORDS._replace(stop=WORDS.first + 1000)
    assert [picker.pick(torch.zeros(1000), ids) - ids.first for _ in range(6)] == [116, 551, 785, 155, 518, 168]
    assert torch.equal(torch.get_rng_state(), before)


def test_the_first_of_equal_scores_is_the_likeliest():
    scores = torch.tensor([[0.0, 2.0, 1.0, 2.0], [3.0, 3.0, 3.0, 3.0]])
    pickers = [Picker(Sampling(), seed=0) for _ in range(2)]
    assert pick_together(pickers, scores, WORDS) == [WORDS.first + 1, WORDS.first]
    assert [picker.pick(row, WORDS) for picker, row in zip(pickers, scores, strict=True)] == [
        WORDS.first + 1,
        WORDS.first,
    ]


def test_each_kind_of_token_has_its_choice():
    sampling = Sampling(temperature=1.0, text=TokenChoice())
    assert sampling.of("text").temperature == 0
    assert sampling.of("audio").temperature == 1
    picker = Picker(sampling, seed=0)
    assert len({picker.pick(torch.zeros(4), WORDS) for _ in range(20)}) == 1
    assert len({picker.pick(torch.zeros(8), COLOURS) for _ in range(50)}) == 8


def test_text_decides_when_a_word_ends_and_sound_which_sound():
    picker = Picker(Sampling(audio=TokenChoice(temperature=5.0)), seed=0)
    scores = torch.zeros(ANY.stop - ANY.first)
    scores[SOUND.start - ANY.first] = 1
    drawn = {picker.pick(scores, ANY) for _ in range(200)}
    assert drawn == set(range(SOUND.start, SOUND.stop))
    scores[TEXT.start + 3 - ANY.first] = 2
    assert picker.pick(scores, ANY) == TEXT.start + 3


def test_sound_is_the_likeliest_where_only_text_is_drawn():
    picker = Picker(Sampling(text=WARM), seed=0)
    scores = torch.zeros(ANY.stop - ANY.first)
    scores[SOUND.start + 5 - ANY.first] = 0.1
    drawn = {picker.pick(scores, ANY) for _ in range(400)}
    assert drawn & set(range(SOUND.start, SOUND.stop)) == {SOUND.start + 5}
    assert len(drawn) > TEXT.plane.size / 2


def test_a_row_of_nan_is_refused():
    with pytest.raises(RuntimeError, match="offers no token"):
        Picker(Sampling(temperature=1.0), seed=0).pick(torch.full((4,), torch.nan), WORDS)


def test_guidance_formula():
    with_prompt, without = torch.tensor([[2.0, 1.0]]), torch.tensor([[3.0, -1.0]])
    assert torch.equal(guided(with_prompt, without, 2.0), torch.tensor([[2.0 * 3 - 3.0 * 2, 1.0 * 3 + 1.0 * 2]]))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", -1),
        ("temperature", 11),
        ("top_k", 0),
        ("top_p", 0),
        ("min_p", -0.1),
        ("min_p", 1.5),
        ("image_guidance", -1),
    ],
)
def test_bad_settings_are_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} must be .*{value}"):
        Sampling(**{name: value})
