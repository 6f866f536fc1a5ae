"""When someone starts and stops speaking: by silero, by loudness, and by the model's own word."""

from omniloom.serving.realtime.turns.detector import Heard as Heard
from omniloom.serving.realtime.turns.detector import Signal as Signal
from omniloom.serving.realtime.turns.detector import SpeechProbability as SpeechProbability
from omniloom.serving.realtime.turns.detector import Started as Started
from omniloom.serving.realtime.turns.detector import Stopped as Stopped
from omniloom.serving.realtime.turns.detector import TurnDetector as TurnDetector
from omniloom.serving.realtime.turns.detector import TurnEnd as TurnEnd
from omniloom.serving.realtime.turns.silence import trim_silence as trim_silence
from omniloom.serving.realtime.turns.silero import Silero as Silero
