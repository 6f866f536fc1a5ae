"""Tokens drawn from logits with temperature, top-k, top-p and min-p, from one read and without a sort."""

from omniloom.kernels.sampling.operator import sample as sample
