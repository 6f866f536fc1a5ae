"""Reading values of a field's declared type, from plain data (`build`) and from a user's text (`parse`)."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from omniloom.core.nearest import unknown_name

Scalar = bool | int | float | str | None
Leaf = Scalar | tuple[Scalar, ...]

TRUE, FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


@cache
def field_types(cls: type) -> dict[str, Any]:
    """The declared type of every field that a dataclass is built from."""
    hints = get_type_hints(cls)
    return {f.name: hints[f.name] for f in dataclasses.fields(cls) if f.init}


def name_of(cls: type) -> str:
    """What a choice is called in files and overrides: `WindowAttention.Config`, or `Constant`."""
    return cls.__qualname__


def members_of(annotation: Any) -> tuple[Any, ...]:
    """A union's members; any other type is a union of one."""
    if get_origin(annotation) in (Union, types.UnionType):
        return get_args(annotation)
    return (annotation,)


def choices_of(annotation: Any) -> list[Any]:
    """The dataclasses among a union's members."""
    return [m for m in members_of(annotation) if isinstance(m, type) and dataclasses.is_dataclass(m)]


def build(annotation: Any, value: Any, path: str) -> Any:
    """A value of a declared type from plain data; errors name the path."""
    members = members_of(annotation)
    if value is None and (type(None) in members or annotation is Any):
        return None
    choices = choices_of(annotation)
    if choices and isinstance(value, Mapping):
        return _build_dataclass(choices, value, path)
    for member in members:
        built = _build_plain(member, value, path)
        if built is not _MISFIT:
            return built
    raise ValueError(f"{path or 'the configuration'} must be {describe(annotation)}, got {value!r}")


def parse(annotation: Any, text: str, path: str) -> Any:
    """A plain value of a declared type from a user's text; errors name the path."""
    for member in sorted(members_of(annotation), key=lambda m: _PARSE_ORDER.get(m, -1)):
        value = _parse_member(member, text.strip(), path)
        if value is not _MISFIT:
            return value
    raise ValueError(f"{path} must be {describe(annotation)}, got {text!r}")


def describe(annotation: Any) -> str:
    """A type in words, for error messages."""
    return " or ".join(_describe_member(member) for member in members_of(annotation))


_MISFIT = object()
_PARSE_ORDER: dict[Any, int] = {type(None): 0, bool: 1, int: 2, float: 3, Path: 4, str: 5}


def _build_dataclass(choices: list[Any], value: Mapping[str, Any], path: str) -> Any:
    data = dict(value)
    cls = choices[0]
    if len(choices) > 1:
        by_name = {name_of(choice): choice for choice in choices}
        if "type" not in data:
            raise ValueError(f"{path} must say its type, one of {', '.join(by_name)}")
        chosen = data.pop("type")
        if chosen not in by_name:
            raise unknown_name(f"type at {path}", str(chosen), by_name)
        cls = by_name[chosen]
    known = field_types(cls)
    prefix = f"{path}." if path else ""
    for name in data:
        if name not in known:
            raise unknown_name("setting", prefix + name, [prefix + item for item in known])
    for f in dataclasses.fields(cls):
        has_default = f.default is not dataclasses.MISSING or f.default_factory is not dataclasses.MISSING
        if f.init and not has_default and f.name not in data:
            raise ValueError(f"{prefix}{f.name} is missing; {name_of(cls)} needs it")
    return cls(**{name: build(known[name], item, prefix + name) for name, item in data.items()})


def _build_plain(member: Any, value: Any, path: str) -> Any:
    origin = get_origin(member)
    if origin in (tuple, list) and isinstance(value, list | tuple):
        items = [build(kind, item, f"{path}.{i}") for i, (kind, item) in enumerate(_item_types(member, value, path))]
        return origin(items)
    if origin in (dict, Mapping) or (isinstance(origin, type) and issubclass(origin, Mapping)):
        if isinstance(value, Mapping):
            kind = get_args(member)[1]
            return {name: build(kind, item, f"{path}.{name}") for name, item in value.items()}
        return _MISFIT
    if origin is Literal:
        fitting = [option for option in get_args(member) if option == value and type(option) is type(value)]
        return fitting[0] if fitting else _MISFIT
    if member is Any or (member in (bool, int, str) and type(value) is member):
        return value
    if member is float and type(value) in (int, float):
        return float(value)
    if member is Path and isinstance(value, str | Path):
        return Path(value)
    return _MISFIT


def _item_types(member: Any, value: Any, path: str) -> list[tuple[Any, Any]]:
    kinds = get_args(member)
    if get_origin(member) is list or (len(kinds) == 2 and kinds[1] is Ellipsis):
        return [(kinds[0], item) for item in value]
    if len(kinds) != len(value):
        raise ValueError(f"{path} must have {len(kinds)} values, got {len(value)}")
    return list(zip(kinds, value, strict=True))


def _parse_member(member: Any, text: str, path: str) -> Any:
    if get_origin(member) is Literal:
        by_text = {str(option): option for option in get_args(member)}
        return by_text.get(text, _MISFIT)
    if get_origin(member) in (tuple, list):
        pieces = [piece for piece in text.strip("()[]").split(",") if piece.strip()]
        return [parse(kind, piece, path) for kind, piece in _item_types(member, pieces, path)]
    if member is type(None):
        return None if text.casefold() == "none" else _MISFIT
    if member is bool:
        folded = text.casefold()
        return folded in TRUE if folded in TRUE + FALSE else _MISFIT
    if member in (int, float):
        return _parse_number(member, text)
    return text if member in (str, Path, Any) else _MISFIT


def _parse_number(member: Any, text: str) -> Any:
    try:
        number = float(text)
        if member is float:
            return number
        # Whole numbers may be written 1e6; anything above 2**53 must be written out to be exact.
        return int(number) if "e" in text.casefold() and number.is_integer() else int(text)
    except (ValueError, OverflowError):
        return _MISFIT


def _describe_member(member: Any) -> str:
    if get_origin(member) is Literal:
        return "one of " + ", ".join(map(str, get_args(member)))
    if get_origin(member) in (tuple, list):
        return "values separated by commas"
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "text", Path: "a path"}
    names[type(None)] = "none"
    return names.get(member, getattr(member, "__qualname__", str(member)))
