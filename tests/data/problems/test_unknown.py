"""Unknown things are unknown, are never the same in training and in testing, and get the one honest answer."""

import re

import numpy as np
import pytest
import torch
from tests.data.problems.test_problems import Knowing

from omniloom.data.problems import Mixture, UnknownProblem, is_refusal, score
from omniloom.data.problems.score import EMPTY_SHEET, answer_text
from omniloom.data.problems.templates import without_accents
from omniloom.data.problems.unknown.answer import HONEST_ANSWERS, empty_sheet
from omniloom.data.problems.unknown.gibberish import KNOWN, gibberish_to_draw, is_like_a_name, near_miss, sound_of
from omniloom.data.problems.unknown.nouns import NOUNS
from omniloom.data.problems.unknown.pictures import LOOKS, NEW_LOOKS, odd_picture
from omniloom.data.problems.unknown.sounds import KINDS, NEW_KINDS, odd_sound
from omniloom.data.problems.unknown.topics import ABOUT_PICTURES, DRAWINGS, TOPICS
from omniloom.data.problems.unknown.topics_french import FRENCH_ABOUT_PICTURES, FRENCH_DRAWINGS, FRENCH_TOPICS
from omniloom.data.problems.unknown.wording import Topic, ask
from omniloom.data.scene_reader import read_scene
from omniloom.data.scenes import COLOURS, SHAPES, Scene, SceneObject, render
from omniloom.data.speech.words import REPLY_WORDS_IN
from omniloom.stream.message import wanted_of
from omniloom.stream.parts import Audio, Image, Text, Video

TASKS = [task.name for task in UnknownProblem().tasks]
ALL_TOPICS = (*TOPICS, *DRAWINGS, *ABOUT_PICTURES)
FRENCH = (*FRENCH_TOPICS, *FRENCH_DRAWINGS, *FRENCH_ABOUT_PICTURES)


def plain(example) -> list[object]:
    found: list[object] = []
    for part in (part for message in example.messages for part in message.parts):
        if isinstance(part, Text):
            found.append(part.text)
        else:
            data = part.samples if isinstance(part, Audio) else part.frames if isinstance(part, Video) else part.pixels
            found.append(data.sum().item())
    return found


def any_refusal(example) -> bool:
    """In training some questions about a scene have an answer, and some have none."""
    return any(is_refusal(words_in(message)) for message in example.messages if message.role == "assistant")


def words_in(message) -> str:
    return " ".join(" ".join(part.text for part in message.parts if isinstance(part, Text)).split())


@pytest.mark.usefixtures("humming")
@pytest.mark.parametrize("task", TASKS)
def test_the_honest_answer_comes_in_the_form_asked_for(task: str) -> None:
    for split in ("train", "new", "composed"):
        example = UnknownProblem().example(split, 5, task)
        assert plain(example) == plain(UnknownProblem().example(split, 5, task))
        assert example.cell is None
        listener = Knowing(answer_text(example))
        assert score(example, example.reply.parts, listener) == 1.0
        assert any_refusal(example)
        form = "image" if "drawing" in task else "audio" if task.endswith("audio") else "text"
        assert wanted_of(example.reply) == {form}
        if len(example.messages) == 2:
            assert is_refusal(answer_text(example))
            assert score(example, [Text("red circle")], Knowing("red")) == 0.0


@pytest.mark.usefixtures("humming")
def test_new_is_unlike_anything_in_training_and_composed_is_new_together() -> None:
    facts = {
        split: {fact for index in range(700) for fact in UnknownProblem().example(split, index).facts}
        for split in ("train", "new", "composed")
    }
    for kind in ("topic", "template", "rendering", "voice"):
        new = {fact for fact in facts["new"] if fact.startswith(f"{kind}:")}
        assert new and not new & facts["train"], kind
    assert not any(fact.startswith("asking:") for fact in facts["train"] | facts["new"])
    for index in range(150):
        assert any(fact.startswith(("asking:", "pair:")) for fact in UnknownProblem().example("composed", index).facts)


def test_topics_of_each_sort_are_held_out_whole_and_many_are_trained() -> None:
    new = [topic for topic in ALL_TOPICS if topic.is_new]
    assert 3 <= len(new) <= len(ALL_TOPICS) // 4
    assert sum(len(topic.trained) * len(topic.cores) for topic in ALL_TOPICS) > 4000
    assert all(not set(topic.trained) & set(topic.held_out) for topic in (*ALL_TOPICS, *FRENCH))


def test_each_topic_is_as_likely_however_much_it_holds() -> None:
    random = np.random.default_rng(0)
    few, many = Topic("few", ("is {x}",), ("a", "b", "c")), Topic("many", ("why {x}",), tuple("defghijklmnopqrst"))
    assert few.trained and many.trained
    facts = [ask((few, many), random, "train", is_spoken=False).facts[0] for _ in range(200)]
    assert 60 < sum(fact.startswith("topic:few") for fact in facts) < 140


def test_nothing_asked_is_known() -> None:
    things = {thing for topic in DRAWINGS for thing in topic.things}
    known = {*REPLY_WORDS_IN["en"], *COLOURS, *SHAPES}
    assert not things & known
    for topic in TOPICS:
        for thing in topic.things:
            found = re.fullmatch(r"(\d+) (\+|-|plus|minus) (\d+)", thing)
            assert found is None or max(int(found[1]), int(found[3])) > 99, thing


def test_nothing_to_draw_is_an_emoji() -> None:
    emoji = pytest.importorskip("omniloom.data.emoji")
    assert not {thing for topic in DRAWINGS for thing in topic.things} & set(emoji.NAMES)
    words = {word for name in emoji.NAMES for word in name.split()}
    assert not {word for noun in NOUNS for word in noun.split()} & words


def test_the_honest_answers_can_be_said() -> None:
    for language, answer in HONEST_ANSWERS.items():
        assert set(answer.split()) <= set(REPLY_WORDS_IN[language])


def test_odd_pictures_show_no_scene_and_new_looks_are_new() -> None:
    random = np.random.default_rng(1)
    seen = {split: [odd_picture(random, split) for _ in range(60)] for split in ("train", "new", "composed")}
    for pictures in seen.values():
        assert all(picture.pixels.shape == (3, 64, 64) and read_scene(picture) is None for picture, _ in pictures)
    looks = {split: {facts[-1].split("/")[1] for _, facts in pictures} for split, pictures in seen.items()}
    assert not looks["train"] & set(NEW_LOOKS) and looks["new"] & set(NEW_LOOKS)
    assert looks["train"] == set(LOOKS) - set(NEW_LOOKS)


def test_odd_sounds_are_sound_of_every_kind() -> None:
    random = np.random.default_rng(2)
    kinds = set()
    for split in ("train", "new", "composed"):
        for _ in range(60):
            sound, facts = odd_sound(random, split)
            kind = facts[0].split("/")[1]
            kinds.add(kind)
            assert torch.isfinite(sound.samples).all() and 0.25 < sound.duration_s < 1.8
            assert (sound.samples.square().mean().sqrt() < 5e-4) == (kind == "silence")
            assert split == "new" or kind not in NEW_KINDS
    assert kinds == set(KINDS)


def test_an_absent_thing_is_not_in_the_picture() -> None:
    num_refused, num_answered = 0, 0
    english = UnknownProblem(UnknownProblem.Config(french=0.0))
    for index in range(80):
        example = english.example("train", index, "unknown_about_text")
        pictures = [part for part in example.messages[0].parts if isinstance(part, Image)]
        if not pictures:
            continue
        seen = read_scene(pictures[0])
        assert seen is not None
        for question, reply in zip(example.messages[::2], example.messages[1::2], strict=True):
            asked = next(part.text for part in question.parts if isinstance(part, Text)).lower()
            told = next(part.text for part in reply.parts if isinstance(part, Text))
            named = set(re.findall(r"[a-z]+", asked)) & {*COLOURS, *SHAPES}
            if is_refusal(told):
                assert not named or not any(named <= {item.colour, item.shape} for item in seen.objects), asked
                num_refused += bool(named)
            else:
                assert not named or any(named <= {item.colour, item.shape} for item in seen.objects), asked
                num_answered += 1
    assert num_refused > 40 and num_answered > 40


def test_questions_about_a_scene_that_is_told_have_answers_or_none() -> None:
    english = UnknownProblem(UnknownProblem.Config(french=0.0))
    num_refused, num_answered, places = 0, 0, set()
    for index in range(60):
        example = english.example("train", index, "unknown_about_text")
        if any(isinstance(part, Image) for message in example.messages for part in message.parts):
            continue
        state, _, first = words_in(example.messages[0]).lower().partition(". ")
        there = [set(words.split()) for words in state.split(" and a ")]
        for place, (question, reply) in enumerate(zip(example.messages[::2], example.messages[1::2], strict=True)):
            asked = first if place == 0 else words_in(question).lower()
            named = set(re.findall(r"[a-z]+", asked)) & {*COLOURS, *SHAPES}
            is_there = any(named <= words for words in there)
            if is_refusal(words_in(reply)):
                assert not named or not is_there, (state, asked)
                num_refused += bool(named)
                places.add(place)
            else:
                assert is_there, (state, asked)
                num_answered += 1
    assert num_refused > 20 and num_answered > 20 and places == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("language", ["en", "fr"])
def test_near_misses_are_no_known_names_and_hardly_repeat(language) -> None:
    random = np.random.default_rng(3)
    names = [near_miss(random, language) for _ in range(1000)]
    known = {word for name in KNOWN[language] for word in name.split()}
    assert len(set(names)) > 900
    assert sum(any(name.startswith(word[:2]) for word in known) for name in names) > 500
    assert not {without_accents(name).removesuffix("s") for name in names} & {without_accents(word) for word in known}
    assert not set(names) & set(NOUNS)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_a_word_without_sense_to_draw_is_nothing_that_can_be_drawn(language) -> None:
    random = np.random.default_rng(4)
    assert is_like_a_name("fox", "en") and is_like_a_name("barn", "en") and is_like_a_name("carre", "fr")
    for _ in range(600):
        asked = gibberish_to_draw(random, "train", language, is_spoken=True)
        (name,) = (fact.removeprefix("topic:gibberish/") for fact in asked.facts if fact.startswith("topic:"))
        assert not is_like_a_name(name, language) and name in asked.words


def test_what_sounds_like_a_known_name_is_no_near_miss() -> None:
    for one, other in (("kat", "cat"), ("sock", "socks"), ("goet", "goat"), ("cercal", "cercle"), ("mousss", "mouse")):
        assert sound_of(one) == sound_of(other)
    assert len({sound_of(word) for word in ("hedgehog", "hedgelass", "hourglass", "hourhog")}) == 4


@pytest.mark.usefixtures("emoji_at_hand")
def test_a_sheet_is_empty_or_it_is_not() -> None:
    example = UnknownProblem().example("new", 2, "unknown_drawing")
    assert example.answer == EMPTY_SHEET and score(example, [empty_sheet()]) == 1.0
    star = SceneObject(shape="star", colour="pink", size="small", position="top left")
    assert score(example, [render(Scene((star,)))]) == 0.0
    drawn = Mixture().cell_example("text-to-image", "new", 0)
    assert score(drawn, [empty_sheet()]) == 0.0


@pytest.mark.usefixtures("humming", "digits_at_hand", "emoji_at_hand")
def test_known_things_are_never_refused() -> None:
    world = Mixture()
    for index in range(300):
        example = world.example("train", index)
        assert any_refusal(example) == example.task.startswith("unknown"), example.task
    assert is_refusal("I know shapes, sums, digits and emoji.") and not is_refusal("i")
    assert is_refusal("i no shapes")  # as an ear spells it
    assert not is_refusal("know i") and not is_refusal("")


def test_unknown_things_are_really_asked_and_answered_aloud() -> None:
    example = UnknownProblem().example("train", 1, "unknown_spoken_audio")
    (question,) = example.messages[0].parts
    assert isinstance(question, Audio) and 0.4 < question.duration_s < 5 and question.samples.abs().max() > 0.05
    said = [part for part in example.reply.parts if isinstance(part, Audio)]
    assert len(said) == len(HONEST_ANSWERS["en"].split()) and all(part.samples.numel() % 640 == 0 for part in said)


@pytest.mark.usefixtures("humming")
def test_asked_in_french_it_is_answered_in_french() -> None:
    problem = UnknownProblem(UnknownProblem.Config(french=0.5))
    languages = set()
    for index in range(80):
        example = problem.example("train", index)
        (language,) = (fact.removeprefix("language:") for fact in example.facts if fact.startswith("language:"))
        languages.add(language)
        refusals = {words_in(message) for message in example.messages if is_refusal(words_in(message))}
        assert refusals == {HONEST_ANSWERS[language]}
        assert len(example.messages) > 2 or example.answer in (HONEST_ANSWERS[language], EMPTY_SHEET)
    assert languages == {"en", "fr"}


def test_french_voices_ask_and_the_answer_is_said_in_french() -> None:
    example = UnknownProblem(UnknownProblem.Config(french=1.0)).example("new", 1, "unknown_spoken_audio")
    assert any(fact.startswith("voice:fr") for fact in example.facts)
    said = [part for part in example.reply.parts if isinstance(part, Audio)]
    assert len(said) == len(HONEST_ANSWERS["fr"].split())


def test_articles_go_with_what_follows() -> None:
    things = ("acorn", "elf", "oven", "uniform", "boat", "utensil")
    topic = Topic("nouns", ("what is a {x}",), things)
    asked = [ask([topic], np.random.default_rng(seed), "train", is_spoken=False).words for seed in range(80)]
    articles = {
        thing: {words.split(f" {thing}")[0].split()[-1] for words in asked if thing in words} for thing in things
    }
    found = {thing: article for thing, article in articles.items() if article}
    assert len(found) >= 4
    assert all(article == {"an" if thing in ("acorn", "elf", "oven") else "a"} for thing, article in found.items())
