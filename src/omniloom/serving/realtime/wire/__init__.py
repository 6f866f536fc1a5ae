"""The wire messages by concern; read them as `omniloom.serving.realtime.protocol`."""
