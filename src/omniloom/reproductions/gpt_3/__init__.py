"""GPT-3's claim in miniature: a model learns a task from its prompt alone, and a larger one learns it better."""

from omniloom.reproductions.gpt_3.reproduction import reproduce as reproduce
