"""Models of pairs for use: their checkpoints, texts through them, and their programs."""

from omniloom.generation.pairs.answers import answers_of as answers_of
from omniloom.generation.pairs.answers import source_rows as source_rows
from omniloom.generation.pairs.checkpoint import PairCheckpoint as PairCheckpoint
from omniloom.generation.pairs.checkpoint import holds_pairs as holds_pairs
from omniloom.generation.pairs.checkpoint import load_pairs as load_pairs
from omniloom.generation.pairs.checkpoint import save_pairs as save_pairs
from omniloom.generation.pairs.export import export_pairs as export_pairs
