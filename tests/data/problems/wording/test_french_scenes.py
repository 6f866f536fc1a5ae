"""Asked in French, answered in French: the same questions, the same things held out, other words."""

from __future__ import annotations

import numpy as np
import pytest

from omniloom.data.problems import CELLS, Mixture, ScenesProblem, SpeechProblem
from omniloom.data.problems.questions import questions_about, random_edit
from omniloom.data.problems.scenes_problem import brief_request, written_request
from omniloom.data.problems.speech_problem import phrase_of
from omniloom.data.problems.templates import Templates, as_typed, without_accents
from omniloom.data.problems.wording import PHRASE_WORDINGS, SCENE_WORDINGS
from omniloom.data.scenes import Scene, SceneObject, parse_description
from omniloom.data.speech.words import REPLY_WORDS_IN
from omniloom.stream.parts import Text

pytestmark = pytest.mark.usefixtures("digits_at_hand", "emoji_at_hand", "humming")

STAR = SceneObject(shape="star", colour="green", size="small", position="top left")
CIRCLE = SceneObject(shape="circle", colour="blue", size="big", position="bottom left")
SCENE = Scene.of([STAR, CIRCLE])


def language_of(example) -> str:
    [fact] = [fact for fact in example.facts if fact.startswith("language:")]
    return fact.split(":")[1]


def test_questions_and_answers_agree_with_their_noun() -> None:
    said = {}
    for question in questions_about(SCENE, "fr"):
        templates = SCENE_WORDINGS["fr"].questions[question.kind]
        for core in templates.cores:
            said[core.format(**question.values)] = question.answer
    assert said["de quelle couleur est l'étoile"] == "verte"
    assert said["quelle est la couleur du cercle"] == "bleu"
    assert said["quelle forme est verte"] == said["qu'est-ce qui est vert"] == "étoile"
    assert said["où se trouve l'étoile verte"] == "en haut à gauche"
    assert said["que vois-tu en haut à gauche"] == "étoile verte"
    assert said["qu'y a-t-il en dessous de l'étoile verte"] == "cercle bleu"
    assert said["qu'y a-t-il au-dessus du cercle bleu"] == "étoile verte"
    assert said["l'étoile verte est-elle petite ou grande"] == "petite"
    assert said["combien de formes y a-t-il"] == "deux"


def test_the_same_questions_are_asked_in_both_languages() -> None:
    for scene in (SCENE, Scene((STAR,))):
        kinds = [[(q.kind, q.about) for q in questions_about(scene, language)] for language in ("en", "fr")]
        assert kinds[0] == kinds[1]


@pytest.mark.parametrize("kind", list(SCENE_WORDINGS["fr"].edits))
def test_an_edit_is_the_same_change_in_both_languages(kind: str) -> None:
    for seed in range(20):
        edits = [random_edit(np.random.default_rng(seed), SCENE, kind, language) for language in ("en", "fr")]
        if edits[0] is None or edits[1] is None:
            assert edits == [None, None]
            continue
        assert (edits[0].after, edits[0].made) == (edits[1].after, edits[1].made)
        for core in SCENE_WORDINGS["fr"].edits[kind].cores:
            assert "{" not in core.format(**edits[1].values)


def test_requests_to_draw() -> None:
    random = np.random.default_rng(0)
    assert brief_request(SCENE, random, "fr") == (
        "une petite étoile verte en haut à gauche et grand cercle bleu en bas à gauche"
    )
    assert written_request(SCENE, random, "fr").startswith("une petite étoile verte")
    assert SCENE_WORDINGS["fr"].written_scene(SCENE) == (
        "une petite étoile verte en haut à gauche et un grand cercle bleu en bas à gauche"
    )


def families(language: str) -> list[Templates]:
    wording, phrases = SCENE_WORDINGS[language], PHRASE_WORDINGS[language]
    of_scenes = [wording.describe, wording.draw, *wording.questions.values(), *wording.edits.values()]
    return [*of_scenes, phrases.say, phrases.transcribe]


def test_templates_are_in_their_language_and_named_by_it() -> None:
    random = np.random.default_rng(0)
    for mine, other in zip(families("fr"), families("en"), strict=True):
        assert (mine.language, other.language, mine.family) == ("fr", "en", other.family)
        assert len(mine.cores) >= len(set(mine.cores)) >= 4
    _, [fact] = SCENE_WORDINGS["fr"].describe.fill(random, "train", is_spoken=False)
    assert fact.startswith("template:describe in fr|typed|")


def test_the_share_of_french_is_kept_and_a_shown_picture_has_one_language() -> None:
    world = Mixture()
    tasks = [task for task in ("draw_typed", "ask_text", "read_audio", "edit_typed", "say", "transcribe", "echo")]
    found = [language_of(world.example("train", index, task)) for task in tasks for index in range(60)]
    assert 0.3 < found.count("fr") / len(found) < 0.5
    shown = [language_of(world.example("train", index, "shown_text")) for index in range(30)]
    assert set(shown) == {"en"}


def test_none_and_all_can_be_french() -> None:
    for share, language in ((0.0, "en"), (1.0, "fr")):
        for problem in (
            ScenesProblem(ScenesProblem.Config(french=share)),
            SpeechProblem(SpeechProblem.Config(french=share)),
        ):
            assert {language_of(problem.example("new", index)) for index in range(20)} <= {language, "en"}
            one = ("shown_text", "shown_audio", "heard_and_shown_text")
            asked = [task.name for task in problem.tasks if task.name not in one]
            assert {language_of(problem.example("new", 0, task)) for task in asked} == {language}


def test_french_answers_are_reply_words_and_drawings_say_what_they_show() -> None:
    scenes = ScenesProblem(ScenesProblem.Config(french=1.0))
    speech = SpeechProblem(SpeechProblem.Config(french=1.0))
    for index in range(150):
        example = (scenes if index % 2 else speech).example("train", index)
        text = "".join(part.text for part in example.reply.parts if isinstance(part, Text))
        if language_of(example) == "en":
            continue
        if isinstance(example.answer, Scene):
            assert parse_description(text.rpartition(": ")[2], "fr") == example.answer
        elif " " not in example.answer or example.task == "caption_text":
            assert set(example.answer.split()) <= set(REPLY_WORDS_IN["fr"])


def test_every_cell_of_two_languages_has_both() -> None:
    world = Mixture()
    for cell in CELLS:
        if cell.startswith("video"):
            continue
        found = {
            fact for index in range(160) for fact in world.cell_example(cell, "new", index).facts if "language" in fact
        }
        assert found == {"language:en", "language:fr"}, cell


def test_people_type_french_with_and_without_accents() -> None:
    random = np.random.default_rng(0)
    words = "où est l'étoile s'il te plaît"
    typed = {as_typed(words, random, is_question=True, language="fr").lower().rstrip("?") for _ in range(60)}
    assert typed == {words, "ou est l'etoile s'il te plait"}
    assert without_accents("à gauche") == "a gauche"


def test_french_phrases_keep_their_own_held_out_neighbours() -> None:
    for seed in range(50):
        phrase = phrase_of(np.random.default_rng(seed), "train", (0.0, 0.5, 0.3, 0.2), "fr")
        assert set(phrase.split()) <= set(REPLY_WORDS_IN["fr"])
        assert "cercle violette" not in phrase and "coeur turquoise" not in phrase
