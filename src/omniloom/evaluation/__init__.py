"""Measure a model: the world's rows, the ends of turns, codec ceilings, and the card that reports them."""

from omniloom.evaluation.report import CellScore as CellScore
from omniloom.evaluation.report import SpeakerScore as SpeakerScore
from omniloom.evaluation.report import WorldReport as WorldReport
from omniloom.evaluation.world import evaluate as evaluate
