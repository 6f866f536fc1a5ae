"""Prompts of pictures and speech: what the model is fed, which demonstrations, controls, and who refuses them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from omniloom.data.emoji.pictures import SOURCE as EMOJI
from omniloom.data.public import PublicFiles, PublicSource, is_at_hand
from omniloom.data.speech import fsdd
from omniloom.evaluation.few_shot import (
    MEDIUM,
    Constant,
    FreeForm,
    Item,
    Likelihood,
    OmniLanguageModel,
    Options,
    Oracle,
    Prompt,
    Room,
    ScoreRequest,
    Shown,
    Task,
    WriteRequest,
    add_task,
    evaluate_few_shot,
    few_shot_tasks,
    load_records,
    make_prompt,
)
from omniloom.evaluation.few_shot.models.media import media_digest, parts_of
from omniloom.evaluation.few_shot.tasks.omni import OMNI
from omniloom.generation import Omni
from omniloom.generation.conversation import encode
from omniloom.generation.embedding import OPENING
from omniloom.stream.folding import fold
from omniloom.stream.layout import lay_out
from omniloom.stream.message import Message
from omniloom.stream.parts import Audio, Image, Text, Video


def needs(source: PublicFiles | PublicSource) -> pytest.MarkDecorator:
    reason = f"{source.name} is neither in $OMNILOOM_DATA nor downloaded"
    return pytest.mark.skipif(not is_at_hand(source), reason=reason)


NEEDED = {"omni-emoji": EMOJI, "omni-digits": fsdd.SOURCE, "omni-new-digits": fsdd.SOURCE}
EVERY = [
    pytest.param(task.name, marks=[needs(own)] if (own := NEEDED.get(task.name.removesuffix("-shuffled"))) else [])
    for task in OMNI
]


def picture(shade: int) -> Image:
    return Image(torch.full((3, 64, 64), shade, dtype=torch.uint8))


def sound(level: float) -> Audio:
    return Audio(torch.full((8000,), level), 16_000)


def shades(split: str) -> list[Item]:
    return [
        Item(
            context=f"{MEDIUM} with {MEDIUM}:",
            answers=(" dark" if number < 3 else " light",),
            options=(" dark", " light"),
            media=(picture(40 * number + (split == "test")), sound(number / 10)),
        )
        for number in range(6)
    ]


SHADES = add_task(Task(name="test-shades", load=shades, answering=Options(), separator="\n", shots=2))


@pytest.fixture(scope="module")
def tiny() -> Omni:
    return Omni.load("tiny")


def test_media_stand_at_their_marks() -> None:
    first, second = picture(0), sound(0.1)
    assert parts_of(f"{MEDIUM} a\n{MEDIUM} \n", [first, second]) == [first, Text(" a\n"), second]
    with pytest.raises(ValueError, match=r"has 1 marks .* for 2 media; write one for each"):
        parts_of(f"a {MEDIUM}", [first, second])


def test_a_prompt_shows_each_demonstration_with_its_own_media() -> None:
    items, pool = SHADES.items("test"), SHADES.items("train")
    shown = {media_digest(item.media[0]): item for item in pool}
    one, few = (make_prompt(SHADES, items[0], pool, shots=shots, seed=1) for shots in (1, "few"))
    assert few.text.count(MEDIUM) == len(few.media) == 6 and few.media[-2:] == items[0].media
    assert few.media[:2] == one.media[:2], "fewer are the first of more"
    for place, solved in enumerate(few.text.split("\n")[:-1]):
        item = shown[media_digest(few.media[2 * place])]
        assert solved == item.context + item.answers[0] and few.media[2 * place + 1] is item.media[1]
    own = make_prompt(SHADES, pool[2], pool, shots=5)
    assert pool[2].media[0] not in own.media[:-2], "the item itself, told by its media alone, is not shown"
    with pytest.raises(ValueError, match="has 5 demonstrations, got shots 6"):
        make_prompt(SHADES, pool[2], pool, shots=6)


def test_media_take_room() -> None:
    items, pool = SHADES.items("test"), SHADES.items("train")
    room = Room(
        context=100, num_tokens=lambda text: 0, num_media_tokens=lambda own: 20 if isinstance(own, Image) else 5
    )
    assert make_prompt(SHADES, items[0], pool, shots="max", room=room).num_shots == 3
    with pytest.raises(ValueError, match="with 4 shots takes 125 tokens with its answer, the model's context is 100"):
        make_prompt(SHADES, items[0], pool, shots=4, room=room)


def test_a_task_says_where_its_media_stand() -> None:
    wrong = Item(context="what?", answers=("a",), media=(picture(0),))
    task = Task(name="test-unmarked", load=lambda split: [wrong], answering=FreeForm())
    with pytest.raises(ValueError, match=r"item 0 of test of task test-unmarked, 'what\?', has 0 marks .* for 1 media"):
        task.items("test")


def test_digests_tell_what_is_seen_and_heard() -> None:
    frames = torch.zeros((2, 3, 8, 8), dtype=torch.uint8)
    media = [picture(0), picture(1), sound(0.0), sound(0.1), Audio(torch.zeros(8000), 8_000)]
    media += [Video(frames, 5.0), Video(frames, 4.0), Video(frames, 5.0, sound(0.0)), Video(frames, 5.0, sound(0.1))]
    assert len({media_digest(own) for own in media}) == len(media)
    assert media_digest(picture(0)) == media_digest(picture(0)) and media_digest(sound(0.1)) == media_digest(sound(0.1))


def test_an_omni_model_is_fed_what_a_user_would_give_it(tiny: Omni) -> None:
    model, media = OmniLanguageModel(tiny), (picture(0), sound(0.1))
    prompt = Prompt(item=shades("test")[0], text=f"{MEDIUM} and {MEDIUM} are?\n", num_shots=0, media=media)
    (found,) = dict(model.score([ScoreRequest(prompt.text, (" dark", " light"), media)])).values()
    turn = [media[0], " and ", media[1], " are?\n"]
    ((*expected,),) = tiny.likelihoods([(turn, ["dark", "light"])])
    assert found == tuple(Likelihood(*own) for own in expected)
    (written,) = dict(model.write([WriteRequest(prompt.text, ("\n",), 8, media=media)])).values()
    assert written == tiny.reply(turn, max_tokens=8).text.partition("\n")[0]


def test_solved_items_may_be_turns_of_the_conversation(tiny: Omni) -> None:
    shown = (Shown(f"{MEDIUM} Which?", "black", (picture(0),)), Shown(f"{MEDIUM} And this?", "white", (picture(255),)))
    request = ScoreRequest(f"{MEDIUM} Now?", ("black", "white"), (picture(9),), shown)
    (found,) = dict(OmniLanguageModel(tiny).score([request])).values()
    turns = [
        Message("user", (picture(0), Text(" Which?"))),
        Message("assistant", (Text("black"),)),
        Message("user", (picture(255), Text(" And this?"))),
        Message("assistant", (Text("white"),)),
        Message("user", (picture(9), Text(" Now?"))),
    ]
    [expected] = tiny.likelihoods([(turns, ["black", "white"])])
    assert [own.logprob for own in found] == [own.logprob for own in expected]
    written = WriteRequest(request.prefix, (), 8, media=request.media, shown=shown)
    assert dict(OmniLanguageModel(tiny).write([written])) == {0: tiny.reply(turns, max_tokens=8).text}


def test_items_of_another_form_are_asked_anew(tiny: Omni, tmp_path: Path) -> None:
    options: dict[str, Any] = {"shots": (1,), "limit": 3, "results": tmp_path / "items.jsonl"}
    for form, num_kept in (("text", 3), ("turns", 6), ("turns", 6), ("text", 6)):
        evaluate_few_shot(OmniLanguageModel(tiny), ["omni-new-names"], form=form, **options)
        assert len(load_records(tmp_path / "items.jsonl")) == num_kept


def test_media_are_counted_as_they_are_fed(tiny: Omni) -> None:
    model, media = OmniLanguageModel(tiny), (picture(0), sound(0.1))
    row = lay_out([encode(Message("user", media), tiny.codecs)], tiny.vocabulary)
    assert sum(map(model.num_media_tokens, media)) == len(fold(row.ids, tiny.vocabulary)) - OPENING


class TextOnly:
    """A model that knows nothing of media."""

    name, context = "text-only", 10_000

    def num_tokens(self, text: str) -> int:
        return len(text)

    def score(self, requests: Sequence[ScoreRequest]) -> Iterator[tuple[int, tuple[Likelihood, ...]]]:
        raise AssertionError("it is refused before anything is asked")

    def write(self, requests: Sequence[WriteRequest]) -> Iterator[tuple[int, str]]:
        raise AssertionError("it is refused before anything is asked")


def test_a_model_of_text_alone_is_told_in_one_line() -> None:
    with pytest.raises(
        ValueError, match="task test-shades shows sounds or pictures and text-only is asked by text alone; ask an omni"
    ):
        evaluate_few_shot(TextOnly(), ["test-shades"], shots=(0,))


def test_kept_items_are_those_of_the_same_media(tmp_path: Path) -> None:
    results = tmp_path / "items.jsonl"
    run: dict[str, Any] = {"names": ["test-shades"], "shots": (0,), "results": results}
    report = evaluate_few_shot(Oracle(SHADES), **run)
    kept = results.read_text()
    assert evaluate_few_shot(Oracle(SHADES), **run) == report and results.read_text() == kept
    changed = Task(name="test-shades-2", load=lambda split: shades("train"), answering=Options(), separator="\n")
    add_task(changed)
    results.write_text(kept.replace("test-shades", "test-shades-2"))
    with pytest.raises(ValueError, match="answers another prompt for item"):
        evaluate_few_shot(Oracle(changed), ["test-shades-2"], shots=(0,), results=results)


@pytest.mark.parametrize("name", EVERY)
def test_an_oracle_scores_one_and_a_constant_no_more_than_chance(name: str) -> None:
    task = few_shot_tasks.get(name)
    known = evaluate_few_shot(Oracle(task), [name], shots=(0, 1, "few"), limit=20)
    assert [row.score for row in known.rows] == [1.0] * 3
    for row in evaluate_few_shot(Constant(), [name], shots=(0, "few")).rows:
        assert row.score == pytest.approx(row.chance, abs=0.01)


@pytest.mark.parametrize("name", EVERY)
def test_nothing_that_is_asked_is_shown_and_a_control_has_the_same_texts(name: str) -> None:
    task, plain = few_shot_tasks.get(name), few_shot_tasks.get(name.removesuffix("-shuffled"))
    digests = {}
    for split in ("test", "train"):
        own, other = task.items(split), plain.items(split)  # type: ignore[arg-type]
        assert [(item.context, item.answers, item.options) for item in own] == [
            (item.context, item.answers, item.options) for item in other
        ]
        digests[split] = Counter(media_digest(item.media[0]) for item in own)
        assert digests[split] == Counter(media_digest(item.media[0]) for item in other)
        if name != plain.name:
            assert [item.told for item in own] != [item.told for item in other]
    assert not digests["test"].keys() & digests["train"].keys()


@pytest.mark.parametrize("name", ["omni-new-names", pytest.param("omni-new-digits", marks=needs(fsdd.SOURCE))])
def test_demonstrations_of_new_names_are_of_the_same_mapping(name: str) -> None:
    task = few_shot_tasks.get(name)
    pool = task.items("train")
    for item in task.items("test")[:12]:
        prompt = make_prompt(task, item, pool, shots="few", seed=2)
        given = [line for line in prompt.text.split("\n") if line and not line.startswith(MEDIUM)]
        assert len(given) == 8 and set(given) <= set(item.options)
