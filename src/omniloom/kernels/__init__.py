"""Native operators, each with a torch reference: the decode step, softmax, top-k and sampling."""

from omniloom.kernels.decode_step.operator import DecodeStep as DecodeStep
from omniloom.kernels.decode_step.operator import IdRange as IdRange
from omniloom.kernels.decode_step.operator import Scratch as Scratch
from omniloom.kernels.decode_step.weights import DecoderWeights as DecoderWeights
from omniloom.kernels.decode_step.weights import LayerWeights as LayerWeights
from omniloom.kernels.native import REFERENCE as REFERENCE
from omniloom.kernels.native import chosen_instruction_set as chosen_instruction_set
from omniloom.kernels.native import instruction_sets as instruction_sets
from omniloom.kernels.sampling.operator import sample as sample
from omniloom.kernels.softmax.operator import log_softmax as log_softmax
from omniloom.kernels.softmax.operator import softmax as softmax
from omniloom.kernels.softmax_topk.operator import TopK as TopK
from omniloom.kernels.softmax_topk.operator import softmax_topk as softmax_topk
