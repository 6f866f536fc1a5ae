"""Networks around pictures and their captions: one that draws, one that compares, one that names."""

from omniloom.models.pictures.classifier import AttributeClassifier as AttributeClassifier
from omniloom.models.pictures.contrastive import Contrastive as Contrastive
from omniloom.models.pictures.stream import PictureStream as PictureStream
