"""What every other floor rests on; `core.state`, which loads torch, is imported by path."""

from omniloom.core.checkpoint import FileEntry as FileEntry
from omniloom.core.checkpoint import Manifest as Manifest
from omniloom.core.checkpoint import keep_newest as keep_newest
from omniloom.core.checkpoint import latest as latest
from omniloom.core.checkpoint import read_manifest as read_manifest
from omniloom.core.checkpoint import write_folder as write_folder
from omniloom.core.config import changed_lines as changed_lines
from omniloom.core.config import flatten as flatten
from omniloom.core.config import from_dict as from_dict
from omniloom.core.config import override as override
from omniloom.core.config import to_dict as to_dict
from omniloom.core.config import to_text as to_text
from omniloom.core.config import unflatten as unflatten
from omniloom.core.metrics import Metrics as Metrics
from omniloom.core.metrics import read_metrics as read_metrics
from omniloom.core.nearest import nearest as nearest
from omniloom.core.nearest import unknown_name as unknown_name
from omniloom.core.progress import Progress as Progress
from omniloom.core.progress import clock as clock
from omniloom.core.progress import track as track
from omniloom.core.randomness import generator as generator
from omniloom.core.randomness import seed_of as seed_of
from omniloom.core.randomness import seeded as seeded
from omniloom.core.randomness import torch_generator as torch_generator
from omniloom.core.registry import Registry as Registry
