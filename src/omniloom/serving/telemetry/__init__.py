"""What the server tells those who run it: numbers, logs, and whether it is well."""

from omniloom.serving.telemetry.metrics import Metrics as Metrics
