"""Training the encoder-decoder Transformer: its hyper-parameter sets, batches by tokens, smoothed loss, and a run."""

from omniloom.training.seq2seq.averaging import averaged_weights as averaged_weights
from omniloom.training.seq2seq.bucketing import BucketedBatches as BucketedBatches
from omniloom.training.seq2seq.bucketing import Bucketing as Bucketing
from omniloom.training.seq2seq.bucketing import Pair as Pair
from omniloom.training.seq2seq.bucketing import PairBatch as PairBatch
from omniloom.training.seq2seq.bucketing import each_once as each_once
from omniloom.training.seq2seq.hparams import HyperParameters as HyperParameters
from omniloom.training.seq2seq.hparams import hparams as hparams
from omniloom.training.seq2seq.hparams import transformer_base as transformer_base
from omniloom.training.seq2seq.hparams import transformer_base_v1 as transformer_base_v1
from omniloom.training.seq2seq.hparams import transformer_big as transformer_big
from omniloom.training.seq2seq.hparams import transformer_tiny as transformer_tiny
from omniloom.training.seq2seq.ranges import Range as Range
from omniloom.training.seq2seq.ranges import draw as draw
from omniloom.training.seq2seq.ranges import ranged_hparams as ranged_hparams
from omniloom.training.seq2seq.run import Seq2SeqTraining as Seq2SeqTraining
from omniloom.training.seq2seq.run import fit_pairs as fit_pairs
from omniloom.training.seq2seq.run import seq2seq_trainer as seq2seq_trainer
from omniloom.training.seq2seq.smoothing import SmoothedObjective as SmoothedObjective
from omniloom.training.seq2seq.smoothing import smoothed_cross_entropy as smoothed_cross_entropy
