"""The Live protocol: full duplex, around a realtime session."""

from omniloom.serving.live.pacing import PacedOutbox as PacedOutbox
from omniloom.serving.live.session import LiveSession as LiveSession
from omniloom.serving.live.session import live_sessions as live_sessions
