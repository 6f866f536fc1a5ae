"""How requests about scenes, and the answers to them, are worded in each language."""

from omniloom.data.problems.wording.base import PhraseWording as PhraseWording
from omniloom.data.problems.wording.base import SceneWording as SceneWording
from omniloom.data.problems.wording.languages import PHRASE_WORDINGS as PHRASE_WORDINGS
from omniloom.data.problems.wording.languages import SCENE_WORDINGS as SCENE_WORDINGS
from omniloom.data.problems.wording.languages import choose_language as choose_language
