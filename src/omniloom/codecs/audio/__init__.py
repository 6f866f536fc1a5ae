"""The audio codec: sound to 50 codes a second and back, streaming."""

from omniloom.codecs.audio.codec import AudioCodec as AudioCodec
from omniloom.codecs.audio.codec import RoundTrip as RoundTrip
from omniloom.codecs.audio.spectrum import RATE_HZ as RATE_HZ
from omniloom.codecs.audio.spectrum import SAMPLES_PER_FRAME as SAMPLES_PER_FRAME
