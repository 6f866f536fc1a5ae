"""Beam search over whatever continues rows of ids, and with it the decoding of sequence-to-sequence models."""

from omniloom.generation.beam.replies import search_replies as search_replies
from omniloom.generation.beam.search import BeamSearch as BeamSearch
from omniloom.generation.beam.search import Hypothesis as Hypothesis
from omniloom.generation.beam.search import Stepper as Stepper
from omniloom.generation.beam.search import beam_search as beam_search
from omniloom.generation.beam.translate import translate as translate
