"""Softmax over the last axis, as an operator of torch."""

from __future__ import annotations

import torch

from omniloom.kernels.registration import define
from omniloom.kernels.softmax import reference

_softmax = define("softmax(Tensor input) -> Tensor", reference=reference.softmax, fake=torch.empty_like)
softmax = _softmax
