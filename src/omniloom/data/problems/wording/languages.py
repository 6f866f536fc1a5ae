"""The languages there are, and how one of them is chosen for an example."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from omniloom.data.problems.wording.base import PhraseWording, SceneWording
from omniloom.data.problems.wording.english import ENGLISH_PHRASES, EnglishScenes
from omniloom.data.problems.wording.french import FRENCH_PHRASES, FrenchScenes
from omniloom.data.speech.words import Language

SCENE_WORDINGS: Mapping[Language, SceneWording] = {"en": EnglishScenes(), "fr": FrenchScenes()}
PHRASE_WORDINGS: Mapping[Language, PhraseWording] = {"en": ENGLISH_PHRASES, "fr": FRENCH_PHRASES}


def choose_language(random: np.random.Generator, french: float) -> Language:
    """French so often, else English."""
    return "fr" if random.random() < french else "en"
