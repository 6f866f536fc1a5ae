"""Conversations of several turns, and replies in two forms at once."""

from omniloom.data.problems.dialogues.problem import DialoguesProblem as DialoguesProblem
