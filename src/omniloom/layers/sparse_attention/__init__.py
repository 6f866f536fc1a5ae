"""Which positions an attention layer looks at, where that is fewer than all."""

from omniloom.layers.sparse_attention.picture_masks import PictureMask as PictureMask
from omniloom.layers.sparse_attention.picture_masks import published_order as published_order
from omniloom.layers.sparse_attention.picture_masks import visible as visible
