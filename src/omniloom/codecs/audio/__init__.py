"""The audio codec: sound to 50 codes a second and back, streaming."""

from omniloom.codecs.audio.codec import AudioCodec as AudioCodec
from omniloom.codecs.audio.codec import AudioDecoderStream as AudioDecoderStream
from omniloom.codecs.audio.codec import AudioEncoderStream as AudioEncoderStream
