"""The largest probabilities of each row, from one read of its logits."""

from omniloom.kernels.softmax_topk.operator import TopK as TopK
from omniloom.kernels.softmax_topk.operator import softmax_topk as softmax_topk
