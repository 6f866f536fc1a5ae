"""What the page offers to try: of the model's own problems, where its own scores are good, with what is asked about."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from omniloom.data.scene_reader import read_scene
from omniloom.data.scenes import describe
from omniloom.generation import Omni
from omniloom.serving import create_app
from omniloom.serving.page import tasks
from omniloom.serving.page.tasks import GOOD, GROUPS, SOURCES, given, task_groups
from omniloom.stream.parts import Audio, Image

# Nothing here needs recordings or pictures of emoji, which are not on every machine.
MADE_HERE = {"sum_text", "draw_typed", "edit_typed", "ask_text", "draw_emoji_typed"}


def scored(**scores: float) -> dict:
    parts = {name: {"n": 100, "score": score} for name, score in scores.items()}
    return {"cells": [{"split": "new", "tasks": parts}, {"split": "composed", "tasks": {"sum_text": {"score": 0.0}}}]}


@pytest.fixture(autouse=True)
def only_what_is_made_here(monkeypatch):
    monkeypatch.setattr(tasks, "is_makeable", MADE_HERE.__contains__)


@pytest.fixture
def web(omni):
    return TestClient(create_app(omni, model_name="fake"), base_url="http://127.0.0.1:7860")


def test_a_task_is_listed_from_the_score_that_counts_as_good():
    just, less = GOOD, GOOD - 0.01
    listed = task_groups(scored(sum_text=just, sum_audio=less, draw_typed=less, edit_typed=less), seed=1)
    found = {group["title"]: group["examples"] for group in listed}
    assert "Scenes" not in found
    assert [(example["form"], example["score"]) for example in found["Sums"]] == [("text", just)] * 2


def test_a_model_without_scores_gets_every_group_unmeasured():
    listed = task_groups({}, seed=1)
    assert [group["title"] for group in listed] == [title for title in GROUPS if title != "Digits"]
    assert {example["score"] for group in listed for example in group["examples"]} == {None}


def test_a_list_is_the_same_for_the_same_seed_and_another_for_another():
    assert task_groups({}, seed=4) == task_groups({}, seed=4) != task_groups({}, seed=5)


def test_listed_pictures_and_answers_belong_together(web):
    groups = web.get("/tasks.json", params={"seed": 2}).json()["groups"]
    shown = [example for group in groups for example in group["examples"] if example["picture"]]
    assert shown
    for example in shown:
        answer = web.get(example["picture"])
        assert answer.headers["content-type"] == "image/png"
        assert read_scene(Image.open(answer.content)) is not None
    drawn = next(example for group in groups for example in group["examples"] if group["title"] == "Scenes")
    assert drawn["answer"].split()[1] in drawn["words"].lower()


def test_a_sound_is_given_as_a_file(web, monkeypatch):
    sound = Audio.open(Omni.load("tiny").reply("say seven", want="audio").audio.to_bytes("WAV"))
    example = tasks.Given(words="Which digit is this?", picture=None, sound=sound, answer="seven")
    monkeypatch.setattr("omniloom.serving.page.routes.given", lambda source, index: example)
    answer = web.get("/tasks/digit_text/7.wav")
    assert answer.headers["content-type"] == "audio/wav"
    assert Audio.open(answer.content).samples.numel() == sound.samples.numel()


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("/tasks/sum_text/3.png", "has no image/png"),
        ("/tasks/nonsense/3.png", "tasks are ask_text, "),
        ("/tasks/sum_text/100000.png", "no example 100000"),
        ("/tasks/digit_text/3.wav", "data that is not on this machine"),
    ],
)
def test_what_there_is_not_is_told(web, address, words):
    answer = web.get(address)
    assert answer.status_code == 404 and words in answer.json()["error"]["message"]


def test_an_example_is_the_same_everywhere():
    given.cache_clear()
    first = given("edit_typed", 12)
    given.cache_clear()
    again = given("edit_typed", 12)
    assert first.words == again.words and first.answer == again.answer
    assert first.picture is not None and again.picture is not None
    assert (first.picture.pixels == again.picture.pixels).all()
    assert describe(read_scene(first.picture)) != first.answer  # it asks for a change


def test_every_source_is_a_task_of_a_problem():
    assert MADE_HERE < SOURCES
    for source in MADE_HERE:
        assert given(source, 0).words
