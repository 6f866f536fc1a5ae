"""What is measured: a checkpoint, a model that somebody serves, or one of transformers.

A subject only says where the model is. A suite loads it in its own way, for what a checkpoint folder holds (an omni
model, a translator) is the suite's business.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

SubjectKind = Literal["checkpoint", "endpoint", "transformers"]


@dataclass(frozen=True)
class Checkpoint:
    """A shipped model's name, or a folder."""

    kind: ClassVar[SubjectKind] = "checkpoint"
    source: str

    def __str__(self) -> str:
        return self.source


@dataclass(frozen=True)
class Endpoint:
    """`model` of an OpenAI-compatible server at `url`, as http://host:8000/v1. The key is shown nowhere."""

    kind: ClassVar[SubjectKind] = "endpoint"
    url: str
    model: str
    api_key: str = field(default="none", repr=False)

    def __str__(self) -> str:
        return f"{self.model} at {self.url}"


@dataclass(frozen=True)
class Transformers:
    """A causal model of transformers: a name of the hub, or a folder."""

    kind: ClassVar[SubjectKind] = "transformers"
    source: str

    def __str__(self) -> str:
        return f"{self.source} of transformers"


Subject = Checkpoint | Endpoint | Transformers
