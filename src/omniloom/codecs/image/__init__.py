"""Pictures to codes and back: what is where, and in which colour, in planes of their own."""

from omniloom.codecs.image.codec import ImageCodec as ImageCodec
from omniloom.codecs.image.separation import Separated as Separated
from omniloom.codecs.image.separation import separate as separate
