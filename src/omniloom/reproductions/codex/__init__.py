"""Codex run small: a model of code trained here, measured as the paper measures."""

from omniloom.reproductions.codex.run import reproduce as reproduce
