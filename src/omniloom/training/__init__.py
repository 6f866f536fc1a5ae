"""Training: the loop, its loss, optimizers and schedules; `training.seq2seq`, by path, is the encoder-decoder's."""

from omniloom.training.interruption import interruptible as interruptible
from omniloom.training.loop import Trainer as Trainer
from omniloom.training.loop import TrainingConfig as TrainingConfig
from omniloom.training.loop import TrainingResult as TrainingResult
from omniloom.training.loop import fit as fit
from omniloom.training.loss import LossWeights as LossWeights
from omniloom.training.optimizers import Adam as Adam
from omniloom.training.optimizers import AdamW as AdamW
from omniloom.training.optimizers import Muon as Muon
from omniloom.training.parallel import Processes as Processes
from omniloom.training.parallel import alone as alone
from omniloom.training.parallel import joined as joined
from omniloom.training.protocols import Batches as Batches
from omniloom.training.protocols import Objective as Objective
from omniloom.training.record import record_config as record_config
from omniloom.training.schedule import Cosine as Cosine
from omniloom.training.schedule import Noam as Noam
from omniloom.training.schedule import WarmupStableDecay as WarmupStableDecay
