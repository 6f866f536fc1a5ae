"""Talk to a model through a page or the realtime protocol (extra `serve`)."""

from omniloom.serving.app import create_app as create_app
from omniloom.serving.realtime import Limits as Limits
from omniloom.serving.realtime import RealtimeSession as RealtimeSession
from omniloom.serving.talk import talk as talk
