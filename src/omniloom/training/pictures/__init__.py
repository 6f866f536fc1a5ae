"""Objectives of the parts that draw pictures from words and choose among them."""

from omniloom.training.pictures.contrast import AttributeObjective as AttributeObjective
from omniloom.training.pictures.contrast import CaptionedBatch as CaptionedBatch
from omniloom.training.pictures.contrast import ContrastObjective as ContrastObjective
from omniloom.training.pictures.contrast import LabelledBatch as LabelledBatch
from omniloom.training.pictures.dvae import Annealing as Annealing
from omniloom.training.pictures.dvae import BoundObjective as BoundObjective
from omniloom.training.pictures.dvae import PictureBatch as PictureBatch
from omniloom.training.pictures.dvae import Relaxation as Relaxation
from omniloom.training.pictures.run import StageTraining as StageTraining
from omniloom.training.pictures.run import fit_stage as fit_stage
from omniloom.training.pictures.stream import StreamBatch as StreamBatch
from omniloom.training.pictures.stream import StreamObjective as StreamObjective
