"""Questions about films have the answer that the film gives, and what is held out is held out."""

import pytest
import torch

from omniloom.core.config import override
from omniloom.data.clip_sounds import SOUNDS
from omniloom.data.clips import read_frame
from omniloom.data.problems import FilmsProblem, WorldMix, shuffled
from omniloom.data.problems.base import Example, Split
from omniloom.data.problems.films.problem import HELD_OUT_ORDERS
from omniloom.data.problems.films.questions import DRAW_END, HAPPENS, HEARD, QUESTIONS
from omniloom.data.problems.holdout import is_composed_bigram, is_new_scene
from omniloom.data.scenes import HELD_OUT_PAIRS, POSITIONS, Scene, describe
from omniloom.data.speech.words import REPLY_WORDS
from omniloom.stream.message import wanted_of
from omniloom.stream.parts import Audio, Image, Text, Video

pytestmark = pytest.mark.usefixtures("humming")

TASKS = tuple(FilmsProblem.cells)
SPLITS: tuple[Split, ...] = ("train", "new", "composed")


def video_of(example: Example) -> Video:
    (video,) = (part for part in example.prompt[-1].parts if isinstance(part, Video))
    return video


def seen(example: Example, place: int) -> dict[str, str]:
    found = read_frame(Image(video_of(example).frames[place]))
    return found or {}


def facts(example: Example, kind: str) -> set[str]:
    return {fact.partition(":")[2] for fact in example.facts if fact.startswith(f"{kind}:")}


@pytest.mark.parametrize("task", TASKS)
def test_examples_depend_on_split_and_index_alone(task: str) -> None:
    for split in SPLITS:
        one, other = (FilmsProblem().example(split, 5, task) for _ in range(2))
        assert one.answer == other.answer and one.facts == other.facts
        assert torch.equal(video_of(one).frames, video_of(other).frames)


@pytest.mark.parametrize("task", ["film_text", "film_audio", "film_still"])
def test_what_happens_is_what_the_first_and_the_last_frame_tell(task: str) -> None:
    right = 0
    for index in range(40):
        example = FilmsProblem().example("new", index, task)
        before, after = seen(example, 0), seen(example, -1)
        gone = [name for place, name in before.items() if after.get(place) != name]
        place = next((place for place, name in after.items() if gone and name == gone[0]), "")
        right += example.answer == (f"{gone[0]} goes {place}" if gone else "nothing")
        assert task != "film_still" or example.answer == "nothing"
    assert right >= 39  # the rule reader misreads a frame in a hundred at most


def test_short_answers_are_right() -> None:
    kinds: dict[str, int] = {}
    for index in range(80):
        example = FilmsProblem().example("train", index, "film_what_text")
        before, after = seen(example, 0), seen(example, -1)
        (kind,) = facts(example, "kind")
        moved = next((place, name) for place, name in before.items() if after.get(place) != name)
        answers = {
            "film thing": moved[1],
            "film colour": moved[1].split()[0],
            "film shape": moved[1].split()[1],
            "film from": moved[0],
            "film to": next(place for place, name in after.items() if name == moved[1]),
            "film rest": next((name for place, name in before.items() if after.get(place) == name), ""),
        }
        assert example.answer == answers[kind], (kind, before, after)
        kinds[kind] = kinds.get(kind, 0) + 1
    assert set(kinds) == {templates.family for templates in QUESTIONS.values()}


def test_the_end_is_drawn_as_a_scene() -> None:
    for index in range(30):
        example = FilmsProblem().example("new", index, "film_image")
        assert isinstance(example.answer, Scene) and wanted_of(example.reply) == {"image"}
        assert {item.position: f"{item.colour} {item.shape}" for item in example.answer.objects} == seen(example, -1)
        assert {item.size for item in example.answer.objects} == {"big"}
        text, picture = example.reply.parts
        assert text == Text(describe(example.answer)) and isinstance(picture, Image)


@pytest.mark.parametrize("task", ["film_sound_text", "film_sound_audio"])
def test_where_sound_is_asked_about_there_is_sound(task: str) -> None:
    for split in SPLITS:
        for index in range(25):
            example = FilmsProblem().example(split, index, task)
            sound = video_of(example).sound
            assert sound is not None and sound.duration_s == pytest.approx(video_of(example).duration_s)
            names = tuple(str(example.answer).split(" then "))
            assert set(names) <= set(SOUNDS) and len(set(names)) == len(names)
            assert (names in HELD_OUT_ORDERS) == (split == "composed")


def test_sound_that_is_not_asked_about_comes_as_often_as_set() -> None:
    def share(problem: FilmsProblem) -> float:
        return sum(video_of(problem.example("train", i, "film_text")).sound is not None for i in range(60)) / 60

    assert 0.05 < share(FilmsProblem()) < 0.5
    assert share(FilmsProblem(FilmsProblem.Config(sound_share=0.0))) == 0
    assert share(FilmsProblem(FilmsProblem.Config(sound_share=1.0))) == 1


@pytest.mark.parametrize("task", ["film_spoken_text", "film_spoken_audio"])
def test_a_spoken_question_comes_beside_the_film(task: str) -> None:
    assert FilmsProblem.inputs[task] == ("video", "audio") and FilmsProblem.cells[task] is None
    families = set()
    for index in range(40):
        example = FilmsProblem().example("train", index, task)
        assert {type(part) for part in example.prompt[-1].parts} == {Video, Audio}
        assert any(fact.startswith("voice:") for fact in example.facts)
        families |= facts(example, "kind")
    assert {HAPPENS.family, HEARD.family} < families


def test_answers_are_of_the_closed_list_of_words() -> None:
    words = {*REPLY_WORDS, *SOUNDS, "goes", "then"}
    for task in TASKS:
        for index in range(20):
            answer = FilmsProblem().example("new", index, task).answer
            assert isinstance(answer, Scene) or set(answer.split()) <= words


def test_no_neighbours_of_films_are_held_out() -> None:
    """Other problems hold out neighbouring words; those that films put side by side are not among them."""
    for shape in ("ring", "heart"):
        assert not is_composed_bigram(shape, "goes")
    assert not any(is_composed_bigram("goes", position.split()[0]) for position in POSITIONS)
    assert not any(is_composed_bigram(a, b) for sound in SOUNDS for a, b in ((sound, "then"), ("then", sound)))


def test_training_holds_nothing_that_is_held_out() -> None:
    films = FilmsProblem()
    pairs = {f"{colour} {shape}" for colour, shape in HELD_OUT_PAIRS} | {" then ".join(o) for o in HELD_OUT_ORDERS}
    train = [films.example("train", index) for index in range(300)]
    trained = {
        kind: set().union(*(facts(example, kind) for example in train)) for kind in ("pair", "scene", "template")
    }
    assert not trained["pair"] & pairs
    assert not [scene for scene in trained["scene"] if "film of" not in scene and is_new_scene(scene)]
    for index in range(100):
        new = films.example("new", index)
        assert not facts(new, "pair") & pairs
        assert not facts(new, "scene") & trained["scene"] and not facts(new, "template") & trained["template"]
        composed = films.example("composed", index)
        assert facts(composed, "pair") & pairs


@pytest.mark.parametrize("task", ["film_text", "film_audio", "film_what_text"])
def test_a_composed_answer_turns_on_the_held_out_pair(task: str) -> None:
    for index in range(40):
        example = FilmsProblem().example("composed", index, task)
        (kind,) = facts(example, "kind")
        before, after = seen(example, 0), seen(example, -1)
        is_about_rest = kind == "film rest"
        names = {name for place, name in before.items() if (after.get(place) == name) == is_about_rest}
        assert names & {f"{colour} {shape}" for colour, shape in HELD_OUT_PAIRS}


def test_every_example_says_its_language() -> None:
    for task in TASKS:
        assert "language:en" in FilmsProblem().example("train", 0, task).facts


def test_shuffling_takes_the_film_of_another_example() -> None:
    examples = [FilmsProblem().example("new", index, "film_text") for index in range(8)]
    for before, after in zip(examples, shuffled(examples), strict=True):
        assert after.answer == before.answer and after.reply is before.reply
        assert video_of(after) is not video_of(before)
        assert any(video_of(after) is video_of(other) for other in examples)


def test_words_of_held_out_templates_are_trained_on() -> None:
    for templates in (HAPPENS, HEARD, DRAW_END, *QUESTIONS.values()):
        for combinations in (templates._typed, templates._spoken):
            held_out = {core for _, core, _ in combinations.held_out}
            free = {
                core
                for opener in combinations.openers
                for core in combinations.cores
                for closer in combinations.closers
                if (opener, core, closer) not in combinations.held_out
            }
            assert held_out <= free


def test_shares_are_set_by_path() -> None:
    mix = override(WorldMix(), {"films.film_image": "0"})
    assert mix.films is not None and mix.films.film_image == 0
