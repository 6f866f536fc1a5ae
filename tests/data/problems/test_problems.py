"""Examples are the same wherever they are made, say what they claim, and are scored by it."""

import unicodedata
from dataclasses import replace
from itertools import product

import pytest
import torch

from omniloom.core.config import override
from omniloom.data.problems import (
    CELLS,
    Example,
    Mixture,
    ScenesProblem,
    SpeechProblem,
    WorldMix,
    cell_examples,
    majority,
    partial_scores,
    problems,
    score,
    shuffled,
)
from omniloom.data.problems.pairs import is_pair_problem
from omniloom.data.problems.questions import questions_about
from omniloom.data.problems.score import answer_text
from omniloom.data.problems.speech_problem import EMOJI_WORDS
from omniloom.data.scene_reader import read_scene
from omniloom.data.scenes import Scene, SceneObject, describe, parse_description, render
from omniloom.data.speech.words import PHRASE_WORDS_IN
from omniloom.stream.message import wanted_of
from omniloom.stream.parts import Audio, Image, Part, Text, Video

pytestmark = pytest.mark.usefixtures("digits_at_hand", "emoji_at_hand", "humming")


class Knowing:
    """A listener that hears what it was told."""

    def __init__(self, words: str) -> None:
        self.words = words

    def transcribe(self, audio: Audio) -> str:
        return self.words


def values(part: Part) -> object:
    if isinstance(part, Text):
        return part.text
    if isinstance(part, Video):
        return part.frames.tolist(), part.sound and part.sound.samples.tolist()
    return (part.samples if isinstance(part, Audio) else part.pixels).tolist()


def content(example: Example) -> list[object]:
    return [values(part) for message in example.messages for part in message.parts]


def test_examples_depend_on_split_and_index_alone() -> None:
    one, other = Mixture(), Mixture()
    forwards = [content(one.example("train", index)) for index in range(30)]
    backwards = [content(other.example("train", index)) for index in reversed(range(30))]
    assert forwards == backwards[::-1]
    assert content(one.example("new", 3)) != forwards[3]


def test_naming_the_drawn_task_changes_nothing() -> None:
    scenes = ScenesProblem()
    for index in range(20):
        example = scenes.example("train", index)
        assert content(scenes.example("train", index, example.task)) == content(example)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("split", ["new", "composed"])
def test_the_reference_reply_scores_one_and_the_majority_at_most_a_quarter(cell: str, split: str) -> None:
    examples = cell_examples(cell, split, 300)
    assert majority(examples) <= 0.25
    for example in examples[:20]:
        listener = Knowing(answer_text(example))
        assert score(example, example.reply.parts, listener) == 1.0
        assert set(partial_scores(example, example.reply.parts, listener).values()) == {1.0}


@pytest.mark.parametrize("cell", CELLS)
def test_shuffling_changes_the_content_and_nothing_else(cell: str) -> None:
    examples = cell_examples(cell, "new", 20)
    kind = {"text": Text, "audio": Audio, "image": Image, "video": Video}[cell.split("-to-")[0]]
    for before, after in zip(examples, shuffled(examples, seed=1), strict=True):
        assert after.reply is before.reply and after.answer == before.answer
        for old, new in zip(before.messages[0].parts, after.messages[0].parts, strict=True):
            assert type(old) is type(new) and (isinstance(old, kind) or old is new)
        assert content(before) != content(after)


def test_text_beside_speech_or_a_picture_counts_for_nothing() -> None:
    spoken = cell_examples("text-to-audio", "new", 1)[0]
    assert score(spoken, spoken.reply.parts, Knowing("quite another")) == 0.0
    assert score(spoken, [Text(answer_text(spoken))], Knowing(answer_text(spoken))) == 0.0
    drawn = cell_examples("text-to-image", "new", 1)[0]
    assert score(drawn, [Text(answer_text(drawn))]) == 0.0
    with pytest.raises(ValueError, match="give a listener"):
        score(spoken, spoken.reply.parts)


def test_partial_scores_name_what_is_right() -> None:
    example = ScenesProblem().example("new", 0, "draw_typed")
    assert isinstance(example.answer, Scene)
    first = example.answer.objects[0]
    shape = "ring" if first.shape != "ring" else "heart"
    wrong = Scene.of([SceneObject(shape=shape, colour=first.colour, size=first.size, position=first.position)])
    scores = partial_scores(example, [render(wrong)])
    share = 1 / len(example.answer.objects)
    assert scores == {"position": share, "colour": share, "shape": 0.0, "size": share}


def test_written_answers_forgive_capitals_and_marks() -> None:
    example = Mixture().cell_example("text-to-text", "new", 0)
    assert score(example, [Text(f" {answer_text(example).upper()}. ")]) == 1.0
    assert score(example, [Text("nonsense")]) == 0.0


def test_homophones_are_one_word_when_heard_and_two_when_read() -> None:
    speech = SpeechProblem()
    spoken, written = (
        replace(speech.example("new", 0, task), answer="petite étoile bleue") for task in ("say", "transcribe")
    )
    assert score(spoken, spoken.reply.parts, Knowing("petite étoile bleu")) == 1.0
    assert set(partial_scores(spoken, spoken.reply.parts, Knowing("petite étoile bleu")).values()) == {1.0}
    assert score(written, [Text("petite étoile bleu")]) == 0.0
    # An accent may come as a mark of its own.
    assert score(written, [Text(unicodedata.normalize("NFD", "Petite étoile bleue."))]) == 1.0
    assert score(written, [Text("petite etoile bleue")]) == 0.0


def test_questions_have_one_right_answer() -> None:
    star = SceneObject(shape="star", colour="red", size="big", position="top left")
    ring = SceneObject(shape="ring", colour="red", size="small", position="top right")
    asked = questions_about(Scene.of([star, ring]))
    found = {
        (q.kind, q.values.get("side", ""), q.values.get("what", q.values.get("position", ""))): q.answer for q in asked
    }
    assert found["colour", "", "the star"] == "red"
    assert found["beside", "right of", "red star"] == "red ring"
    assert found["beside", "left of", "red ring"] == "red star"
    assert found["where", "", "red ring"] == "top right"
    assert found["at", "", "top left"] == "red star"
    assert found["count", "", ""] == "two"
    assert not [q for q in asked if q.kind == "shape"]  # two are red


def test_shares_are_set_by_path_and_zero_leaves_a_task_out() -> None:
    mix = override(WorldMix(), {"scenes.draw_typed": "0", "sums.sum_text": "0"})
    world = Mixture(mix)
    assert not {"draw_typed", "sum_text"} & {world.example("train", index).task for index in range(200)}
    with pytest.raises(ValueError, match="draw_typed"):
        override(WorldMix(), {"scenes.draw_typd": "0"})


def test_unknown_names_are_refused_with_those_there_are() -> None:
    names = {
        "scenes",
        "speech",
        "sums",
        "digits",
        "films",
        "emoji",
        "dialogues",
        "unknown",
        "in_context",
        "chat_files",
        "pairs",
    }
    assert {name for name in problems.names() if not is_pair_problem(name)} == names
    scenes = problems.get("scenes")()
    with pytest.raises(ValueError, match="no task 'fly'"):
        scenes.example("train", 0, "fly")
    with pytest.raises(ValueError, match="split must be one of"):
        scenes.example("test", 0)
    with pytest.raises(ValueError, match="cell must be one of"):
        Mixture().cell_example("text-to-smell", "new", 0)


def test_spoken_questions_are_real_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    for index in range(3):
        example = problems.get("sums")().example("train", index, "sum_spoken_audio")
        question = example.messages[0].parts[0]
        assert isinstance(question, Audio) and 0.3 < question.duration_s < 5 and question.samples.abs().max() > 0.05
        said = [part for part in example.reply.parts if isinstance(part, Audio)]
        assert all(part.samples.numel() % 640 == 0 for part in said)
        assert "".join(part.text for part in example.reply.parts if isinstance(part, Text)).endswith(example.answer)
        assert torch.isfinite(question.samples).all()


def test_short_examples_come_after_another_subject_at_times_and_in_training_alone():
    always, never = (Mixture(WorldMix(earlier_turns=share)) for share in (0.999, 0.0))
    num_joined = 0
    for index in range(60):
        joined, plain = always.example("train", index), never.example("train", index)
        assert joined.task == plain.task and joined.answer == plain.answer
        assert joined.facts[: len(plain.facts)] == plain.facts
        roles = [message.role for message in joined.messages]
        assert roles == ["user", "assistant"] * (len(roles) // 2)
        if len(joined.messages) > len(plain.messages):
            num_joined += 1
            assert len(plain.messages) == 2 and len(joined.messages) == 4
            assert not any(isinstance(part, Video) for part in joined.prompt[-1].parts)
        assert len(always.example("new", index).messages) == len(never.example("new", index).messages)
        assert len(always.example("train", index, "sum_text").messages) == 2
    assert num_joined > 15
    assert sum(len(Mixture().example("train", index).messages) == 4 for index in range(60)) < num_joined
    with pytest.raises(ValueError, match="earlier_turns must be a share"):
        WorldMix(earlier_turns=1.0)


def test_phrases_to_be_written_down_have_words_of_emoji_in_training():
    def words(split):
        found = [SpeechProblem().example(split, index, "transcribe") for index in range(120)]
        return {word for example in found if "language:en" in example.facts for word in str(example.answer).split()}

    known = set(PHRASE_WORDS_IN["en"])
    assert {"accordion", "avocado"} <= set(EMOJI_WORDS) - known
    assert len(words("train") - known) > 10 and words("train") - known <= set(EMOJI_WORDS)
    assert words("new") <= known


HEARD_TASKS = {
    "scenes": ("ask_spoken_text", "ask_spoken_audio", "heard_and_shown_text", "edit_spoken"),
    "films": ("film_spoken_text", "film_spoken_audio"),
    "emoji": ("emoji_spoken_text", "emoji_spoken_audio"),
    "dialogues": ("follow_up_spoken", "interrupted"),
}


@pytest.mark.parametrize(("name", "task"), [(name, task) for name, tasks in HEARD_TASKS.items() for task in tasks])
def test_what_was_asked_aloud_is_written_down_before_the_answer(monkeypatch, name, task):
    """It is what was said, and is not judged."""
    said = []

    def saying(words, random, split, language="en", **_):
        said.append(words)
        return Audio(torch.full((640,), 0.1), 16_000), []

    for module in ("turns", "dialogues.problem"):
        monkeypatch.setattr(f"omniloom.data.problems.{module}.aloud", saying)
    for split, index in product(("train", "new"), range(4)):
        example = problems.get(name)().example(split, index, task)
        # Typed questions follow this one in training.
        reply = example.messages[1] if task == "heard_and_shown_text" else example.reply
        written = "".join(part.text for part in reply.parts if isinstance(part, Text))
        heard, _, rest = written.partition(": ")
        assert heard.partition(",")[0] == said[-1]
        if reply is not example.reply:
            continue
        if isinstance(example.answer, str):
            assert rest.replace(" ", "") == example.answer.replace(" ", "") and example.judged_after == ":"
        listener = Knowing(answer_text(example))
        assert score(example, reply.parts, listener) == 1.0
        without = replace(reply, parts=(Text(rest), *reply.parts[1:]))
        assert score(example, without.parts, listener) == 1.0


def test_typed_questions_go_on_about_the_same_scene_in_training():
    always = ScenesProblem(ScenesProblem.Config(asked_on=1.0))
    for task in ("ask_text", "ask_audio", "read_text"):
        for index in range(12):
            example = always.example("train", index, task)
            num_turns = len(example.messages) // 2
            assert [message.role for message in example.messages] == ["user", "assistant"] * num_turns
            assert 2 <= num_turns <= (3 if task == "ask_audio" else 5)
            assert sum(isinstance(part, Image) for m in example.messages for part in m.parts) == (task != "read_text")
            told = "".join(part.text for part in example.reply.parts if isinstance(part, Text))
            assert told.replace(" ", "") == str(example.answer).replace(" ", "")
            assert len(always.example("new", index, task).messages) == 2
        assert len(ScenesProblem(ScenesProblem.Config(asked_on=0.0)).example("train", 0, task).messages) == 2


def test_changes_are_told_one_after_another_in_training():
    told = ScenesProblem(ScenesProblem.Config(told=1.0, french=0.0))
    for index in range(20):
        example = told.example("train", index, "edit_typed")
        pictures = [part for message in example.messages for part in message.parts if isinstance(part, Image)]
        before = read_scene(pictures[0])
        assert len(pictures) == 1 and before is not None and len(example.messages) == 8
        assert wanted_of(example.reply) == {"text"} and score(example, example.reply.parts) == 1.0
        for message in example.messages[1::2]:
            (words,) = message.parts
            after = parse_description(words.text)
            assert after is not None and describe(after) == words.text
            # A change makes, moves, alters or takes away one thing.
            assert len(set(after.objects) ^ set(before.objects)) in (1, 2), words.text
            before = after
        drawn = told.example("new", index, "edit_typed")
        assert wanted_of(drawn.reply) == {"image"} and len(drawn.messages) == 2


def test_typed_comparisons_follow_what_was_heard_and_shown_in_training(monkeypatch):
    def saying(words, random, split, language="en", **_):
        return Audio(torch.full((640,), 0.1), 16_000), []

    monkeypatch.setattr("omniloom.data.problems.turns.aloud", saying)
    answers, in_common = set(), {"colour": 0, "shape": 0}
    for index in range(20):
        example = ScenesProblem().example("train", index, "heard_and_shown_text")
        seen = read_scene(next(part for part in example.messages[0].parts if isinstance(part, Image)))
        assert seen is not None and len(example.messages) == 8
        name = f"{seen.objects[0].colour} {seen.objects[0].shape}"
        for question, reply in zip(example.messages[2::2], example.messages[3::2], strict=True):
            (asked,), (told,) = question.parts, reply.parts
            assert told.text == ("yes" if name in asked.text.lower() else f"no {name}")
            answers.add(told.text.split()[0])
            if told.text != "yes":
                for kind in in_common:
                    in_common[kind] += getattr(seen.objects[0], kind) in asked.text.lower()
        assert len(ScenesProblem().example("new", index, "heard_and_shown_text").messages) == 2
    assert answers == {"yes", "no"}
    assert in_common["colour"] > 2 * in_common["shape"] > 0  # shapes are what is hard to compare
