"""The discrete VAE of DALL·E: pictures as a grid of codes of one codebook."""

from omniloom.codecs.image.dvae.bottleneck import FiniteScalar as FiniteScalar
from omniloom.codecs.image.dvae.bottleneck import GumbelSoftmax as GumbelSoftmax
from omniloom.codecs.image.dvae.codec import DiscreteVAE as DiscreteVAE
from omniloom.codecs.image.dvae.networks import ConvolutionSizes as ConvolutionSizes
