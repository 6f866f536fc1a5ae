"""The stream: messages and parts, the vocabulary, how they are laid out, and the grammar of replies."""

from omniloom.stream.message import Message as Message
from omniloom.stream.message import as_parts as as_parts
from omniloom.stream.message import wanted as wanted
from omniloom.stream.parts import Audio as Audio
from omniloom.stream.parts import Image as Image
from omniloom.stream.parts import Part as Part
from omniloom.stream.parts import Text as Text
from omniloom.stream.parts import Video as Video
from omniloom.stream.vocabulary import Vocabulary as Vocabulary
