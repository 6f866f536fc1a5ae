"""Native operators, each with a torch reference: the decode step."""

from omniloom.kernels.decode_step.operator import DecodeStep as DecodeStep
from omniloom.kernels.decode_step.operator import IdRange as IdRange
from omniloom.kernels.decode_step.operator import Scratch as Scratch
from omniloom.kernels.decode_step.weights import DecoderWeights as DecoderWeights
from omniloom.kernels.decode_step.weights import LayerWeights as LayerWeights
from omniloom.kernels.native import REFERENCE as REFERENCE
from omniloom.kernels.native import chosen_instruction_set as chosen_instruction_set
from omniloom.kernels.native import instruction_sets as instruction_sets
