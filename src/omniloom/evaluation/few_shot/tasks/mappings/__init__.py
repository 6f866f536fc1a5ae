"""Tasks whose demonstrations say what is asked, and nothing else does."""

from omniloom.evaluation.few_shot.tasks.mappings.meta import META as META
