"""Tokens drawn from logits with temperature, top-k, top-p and min-p, from one read and without a sort."""

from omniloom.kernels.sampling.operator import SampleSettings as SampleSettings
from omniloom.kernels.sampling.operator import sample as sample
from omniloom.kernels.sampling.operator import sample_settings as sample_settings
from omniloom.kernels.sampling.operator import sample_with as sample_with
