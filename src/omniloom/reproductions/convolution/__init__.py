"""Convolution measured against those that people use instead."""

from omniloom.reproductions.convolution.layers import Layer as Layer
from omniloom.reproductions.convolution.measure import Measured as Measured
from omniloom.reproductions.convolution.measure import geometric_mean as geometric_mean
from omniloom.reproductions.convolution.measure import measure as measure
from omniloom.reproductions.convolution.measure import measure_stream as measure_stream
