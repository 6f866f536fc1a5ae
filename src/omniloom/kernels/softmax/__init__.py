"""Softmax and log-softmax over the last axis: two passes over long rows, one and a half over short ones."""

from omniloom.kernels.softmax.operator import log_softmax as log_softmax
from omniloom.kernels.softmax.operator import softmax as softmax
