"""Pictures to codes and back: what is where, and in which colour, in planes of their own; or all in one plane."""

from omniloom.codecs.image.codec import ImageCodec as ImageCodec
from omniloom.codecs.image.dvae.codec import DiscreteVAE as DiscreteVAE
from omniloom.codecs.image.separation import Separated as Separated
from omniloom.codecs.image.separation import separate as separate
