"""Tensor2Tensor run small: its formulas and sets to the number, and its Transformer on real problems."""

from omniloom.reproductions.tensor2tensor.system import reproduce as reproduce
