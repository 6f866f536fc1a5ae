"""Measure a model: suites and their one report, the world's rows, turn ends, few-shot tasks, codecs, the model card.

What measures is imported from its own module: a suite's name and options are asked for without torch.
"""

from omniloom.evaluation.report import CellScore as CellScore
from omniloom.evaluation.report import SpeakerScore as SpeakerScore
from omniloom.evaluation.report import WorldReport as WorldReport
