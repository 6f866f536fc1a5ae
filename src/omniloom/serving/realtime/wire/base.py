"""What all wire messages share: identifiers, how strict they are, and what `null` means in settings."""

from __future__ import annotations

import secrets
import types
import typing
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, model_validator

OutputModality = Literal["text", "audio", "image"]


def new_id(prefix: str) -> str:
    """A fresh identifier such as "item_9f2c…"."""
    return f"{prefix}_{secrets.token_hex(8)}"


class Wire(BaseModel):
    """A piece of a message; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Changes(Wire):
    """Fields of which only those given change something.

    Official clients send null for what they do not set, so null counts as left out wherever it is no value of its own.
    """

    @model_validator(mode="before")
    @classmethod
    def _leave_out_nulls(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {key: value for key, value in data.items() if value is not None or cls._takes_null(key)}

    @classmethod
    def _takes_null(cls, name: str) -> bool:
        field = cls.model_fields.get(name)
        if field is None:
            return True
        is_union = typing.get_origin(field.annotation) in (typing.Union, types.UnionType)
        return field.annotation is type(None) or (is_union and type(None) in typing.get_args(field.annotation))
