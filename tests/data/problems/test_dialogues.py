"""Later turns lean on earlier ones, and their answers are what the conversation says they must be."""

import pytest
import torch
from tests.data.problems.test_problems import Knowing, content
from tests.stream.vocabularies import small_vocabulary

from omniloom.data.problems import DialoguesProblem, Mixture, ScenesProblem, score
from omniloom.data.problems.base import HISTORY
from omniloom.data.problems.dialogues.interruption import cut_short
from omniloom.data.problems.questions import QUESTION_SHARES
from omniloom.data.problems.score import answer_text
from omniloom.data.scene_reader import read_scene
from omniloom.data.scenes import (
    COLOURS,
    HELD_OUT_PAIRS,
    POSITIONS,
    SHAPES,
    Scene,
    SceneObject,
    describe,
    parse_description,
)
from omniloom.data.speech.synthesis import FRAME_SAMPLES, speak_reply
from omniloom.stream.layout import EncodedMessage, LossClass, lay_out
from omniloom.stream.message import Message, wanted_of
from omniloom.stream.parts import Audio, Image, Text

TASKS = [task.name for task in DialoguesProblem().tasks]


def words_of(message: Message) -> str:
    said = " ".join(part.text for part in message.parts if isinstance(part, Text))
    return " ".join(said.lower().replace("?", "").replace(".", "").replace("!", "").split())


def changed(item: SceneObject, words: str) -> SceneObject:
    """The object after a request in words, by looking for what it names."""
    said = words.replace("bigger", "big").replace("smaller", "small").split()
    position = next((place for place in POSITIONS if place in " ".join(said)), item.position)
    said = [word for word in said if word not in position.split()]
    # "Colour it red": the verb names no colour, and what is named last is what it becomes.
    colours, shapes = ([word for word in said if word in kind] for kind in (COLOURS, SHAPES))
    sizes = [word for word in said if word in ("small", "big")]
    return SceneObject(
        shape=(shapes or [item.shape])[-1],
        colour=(colours or [item.colour])[-1],
        size=(sizes or [item.size])[-1],
        position=position,
    )


@pytest.mark.usefixtures("humming")
@pytest.mark.parametrize("task", TASKS)
def test_examples_depend_on_split_and_index_alone(task: str) -> None:
    forwards = [content(DialoguesProblem().example("train", index, task)) for index in range(5)]
    backwards = [content(DialoguesProblem().example("train", index, task)) for index in reversed(range(5))]
    assert forwards == backwards[::-1]
    assert content(DialoguesProblem().example("new", 3, task)) != forwards[3]


@pytest.mark.parametrize("split", ["train", "new", "composed"])
def test_a_follow_up_changes_what_was_drawn_before(split) -> None:
    num_checked = 0
    for index in range(120):
        example = DialoguesProblem().example(split, index, "follow_up_image")
        earlier = parse_description(words_of(example.messages[1]))
        assert earlier is not None and isinstance(example.answer, Scene)
        assert any(isinstance(part, Image) for part in example.messages[1].parts)
        if len(earlier.objects) == len(example.answer.objects) == 1:
            assert example.answer.objects[0] == changed(earlier.objects[0], words_of(example.messages[2])), words_of(
                example.messages[2]
            )
            num_checked += 1
    assert num_checked > 40


@pytest.mark.usefixtures("humming")
@pytest.mark.parametrize("split", ["train", "new", "composed"])
def test_a_second_question_is_about_what_the_first_was_about(split) -> None:
    num_checked = 0
    for index in range(120):
        example = DialoguesProblem().example(split, index, "follow_up_question_text")
        (picture,) = (part for part in example.messages[0].parts if isinstance(part, Image))
        seen = read_scene(picture)
        first, answer = words_of(example.messages[0]), words_of(example.messages[1])
        if seen is None or any(side in first for side in ("right of", "left of", "above", "below")):
            continue
        told = f"{first} {answer}"
        fitting = [item for item in seen.objects if _fits(item, told)]
        second = words_of(example.messages[2])
        kind = next(fact.removeprefix("kind:") for fact in example.facts if fact.startswith("kind:"))
        if kind == "the named":
            about = [item for item in seen.objects if item.shape in second.split() and _fits(item, second)]
        elif kind == "the other":
            about = [item for item in seen.objects if item not in fitting]
        else:
            about = fitting
        assert len(about) == 1, (told, second)
        item = about[0]
        answer = words_of(example.messages[3])
        assert answer in (item.colour, item.shape, item.size, item.position, f"{item.colour} {item.shape}")
        assert not kind.startswith("its") or answer == _property(item, kind)
        assert split == "train" or len(example.messages) == 4
        num_checked += 1
    assert num_checked > 60


def test_in_training_further_questions_lean_on_the_ones_before() -> None:
    num_checked, sizes = 0, set()
    for index in range(120):
        example = DialoguesProblem().example("train", index, "follow_up_question_text")
        seen = read_scene(next(part for part in example.messages[0].parts if isinstance(part, Image)))
        turns = [words_of(message) for message in example.messages]
        if seen is None or any(side in turns[0] for side in ("right of", "left of", "above", "below")):
            continue
        (item,) = (item for item in seen.objects if _fits(item, f"{turns[0]} {turns[1]}"))
        told = f"{item.colour} {item.shape}"
        kind = _kind_of(turns[0], "at" if turns[1] == told else "shape")
        for place, (question, answer) in enumerate(zip(turns[2::2], turns[3::2], strict=True)):
            kind = _kind_of(question, kind)
            if kind == "size":
                sizes |= {(size, answer) for size in turns[1 : 2 * place + 3 : 2] if size in ("small", "big")}
            if "other" in question:
                (item,) = (other for other in seen.objects if other is not item)
            elif set(question.split()) & set(SHAPES) and "what shape" not in question:
                (item,) = (
                    other for other in seen.objects if other.shape in question.split() and _fits(other, question)
                )
            name = f"{item.colour} {item.shape}"
            assert answer == (name if kind == "at" else _property(item, f"its {kind}")), turns
            num_checked += 1
    assert num_checked > 150
    assert len(sizes) == 4, "a size told before gives the next one away"


def _kind_of(question: str, before: str) -> str:
    """What a question asks for; the same as the one before where it does not say."""
    for kind, words in {
        "colour": ("what colour", "which colour", "the colour", "its colour"),
        "size": ("small or big", "how big", "what size"),
        "place": ("where", "corner"),
        "shape": ("what shape", "which shape", "its shape"),
    }.items():
        if any(word in question for word in words):
            return kind
    return before


def _property(item: SceneObject, kind: str) -> str:
    return {"its colour": item.colour, "its shape": item.shape, "its place": item.position, "its size": item.size}[kind]


def _fits(item: SceneObject, words: str) -> bool:
    """Whether nothing that the words name is otherwise with the object; "small or big" names no size."""
    said = words.replace("small or big", "").replace("how big", "").split()
    place = next((position for position in POSITIONS if position in words), item.position)
    named = [word for word in said if word in (*COLOURS, *SHAPES, "small", "big")]
    return item.position == place and all(word in (item.colour, item.shape, item.size) for word in named)


def test_an_interruption_ends_on_a_whole_frame_of_a_word_that_had_begun() -> None:
    kinds = set()
    for index in range(25):
        example = DialoguesProblem().example("new", index, "interrupted")
        begun = example.messages[1]
        scene = read_scene(next(part for part in example.messages[0].parts if isinstance(part, Image)))
        assert begun.is_cut and scene is not None
        whole = speak_reply(describe(scene))
        *before, last = begun.parts
        assert isinstance(last, Audio) and last.samples.numel() % FRAME_SAMPLES == 0 and last.samples.numel() > 0
        for ours, theirs in zip([*before, last], whole, strict=False):
            if isinstance(ours, Text) and isinstance(theirs, Text):
                assert ours.text == theirs.text
            else:
                assert isinstance(ours, Audio) and isinstance(theirs, Audio)
                assert torch.equal(ours.samples, theirs.samples[: ours.samples.numel()])
        kind = next(fact for fact in example.facts if fact.startswith("kind:"))
        kinds.add(kind)
        said = "".join(part.text for part in begun.parts if isinstance(part, Text))
        if kind == "kind:go on":
            assert f"{said.rpartition(' ')[0]} {example.answer}".strip() == describe(scene)
        if kind == "kind:again":
            assert example.answer == describe(scene)
    asked = {f"kind:{kind}" for kind in QUESTION_SHARES}
    assert {"kind:go on", "kind:again"} < kinds <= {"kind:go on", "kind:again"} | asked


def test_where_a_reply_was_cut_is_no_place_to_learn_to_stop() -> None:
    for is_cut in (True, False):
        row = lay_out([EncodedMessage("assistant", (), is_cut=is_cut)], small_vocabulary())
        assert row.classes[-1] == (LossClass.NONE if is_cut else LossClass.REPLY_TEXT)


def test_cutting_keeps_the_words_before_whole() -> None:
    reply = Message("assistant", tuple(speak_reply("red circle top left")))
    cut = cut_short(reply, num_words=3, num_frames=2)
    assert cut.parts[:5] == reply.parts[:5] and cut.parts[5].samples.numel() == 2 * FRAME_SAMPLES


@pytest.mark.usefixtures("humming")
def test_what_is_said_and_drawn_has_to_be_both() -> None:
    example = DialoguesProblem().example("composed", 4, "said_and_drawn")
    assert wanted_of(example.reply) == {"audio", "image"} and isinstance(example.answer, Scene)
    right, parts = Knowing(answer_text(example)), example.reply.parts
    assert score(example, parts, right) == 1.0
    assert score(example, parts, Knowing("red")) == 0.0
    assert score(example, parts[:-1], right) == 0.0
    assert score(example, [parts[0], parts[-1]], right) == 0.0


@pytest.mark.usefixtures("humming")
def test_training_never_names_or_shows_a_held_out_pair_and_composed_answers_do() -> None:
    names = {f"pair:{colour} {shape}" for colour, shape in HELD_OUT_PAIRS}
    for index in range(300):
        assert not names & set(DialoguesProblem().example("train", index).facts)
        assert names & set(DialoguesProblem().example("composed", index).facts)


@pytest.mark.usefixtures("humming", "digits_at_hand")
def test_every_task_has_a_cell_or_inputs_or_a_group() -> None:
    for task in Mixture().tasks:
        assert bool(task.cell) + bool(task.inputs) + bool(task.group) == 1, task
        assert set(task.inputs) <= {"text", "audio", "image", "video", HISTORY}


@pytest.mark.usefixtures("humming")
def test_what_is_heard_is_compared_with_what_is_shown() -> None:
    answers = set()
    for split in ("train", "composed"):
        for index in range(40):
            example = ScenesProblem().example(split, index, "heard_and_shown_text")
            seen = read_scene(next(part for part in example.messages[0].parts if isinstance(part, Image)))
            assert seen is not None
            name = f"{seen.objects[0].colour} {seen.objects[0].shape}"
            assert example.answer in ("yes", f"no {name}")
            answers.add(example.answer.split()[0])
    assert answers == {"yes", "no"}
