"""Realtime sessions without any transport: events in, a model in its own thread, events out."""

from omniloom.serving.realtime.limits import Limits as Limits
from omniloom.serving.realtime.outbox import Outbox as Outbox
from omniloom.serving.realtime.session import RealtimeSession as RealtimeSession
from omniloom.serving.realtime.warming import warm_up as warm_up
