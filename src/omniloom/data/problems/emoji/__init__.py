"""Emoji: name them, draw them, change them, and say where they are."""

from omniloom.data.problems.emoji.problem import SPOKEN_NAMES as SPOKEN_NAMES
from omniloom.data.problems.emoji.problem import EmojiProblem as EmojiProblem
from omniloom.data.problems.emoji.problem import is_held_out_drawing as is_held_out_drawing
from omniloom.data.problems.emoji.problem import is_held_out_spot as is_held_out_spot
