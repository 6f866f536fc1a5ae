"""Tasks whose demonstrations and questions hold pictures and speech, and their controls."""

from omniloom.evaluation.few_shot.tasks.omni.naming import OMNI as OMNI
