"""The reference Transformer of Tensor2Tensor: an encoder, a decoder, and decoding one token at a time."""

from omniloom.models.seq2seq.config import Seq2SeqConfig as Seq2SeqConfig
from omniloom.models.seq2seq.config import Seq2SeqVocabulary as Seq2SeqVocabulary
from omniloom.models.seq2seq.decoding import DecodingState as DecodingState
from omniloom.models.seq2seq.registry import SequenceModel as SequenceModel
from omniloom.models.seq2seq.registry import sequence_models as sequence_models
from omniloom.models.seq2seq.transformer import Memory as Memory
from omniloom.models.seq2seq.transformer import Seq2SeqTransformer as Seq2SeqTransformer
