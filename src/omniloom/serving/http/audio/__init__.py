"""`/v1/audio`: speech and transcriptions."""
