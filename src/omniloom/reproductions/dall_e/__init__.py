"""DALL·E in miniature."""

from omniloom.reproductions.dall_e.claims import reproduce as reproduce
