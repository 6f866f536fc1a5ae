"""Configurations as values: frozen dataclasses to text and back, and any field changed by its path.

A component's `Config` is a frozen, keyword-only dataclass; its fields are scalars, tuples of scalars, dictionaries of
scalars by name, other such dataclasses, tuples of them, or a union of several to choose from. A union's choice is
written as the key `type`. tyro was rejected for overrides: it wants a parser built beforehand from the whole tree,
and its errors name flags rather than paths.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from omniloom.core._types import Leaf, build, choices_of, field_types, name_of, parse
from omniloom.core.nearest import unknown_name

C = TypeVar("C")

TYPE = "type"


def to_dict(config: Any) -> dict[str, Any]:
    """Nested dictionaries of plain values, fit for JSON; `from_dict` takes them back."""
    if not dataclasses.is_dataclass(config) or isinstance(config, type):
        raise ValueError(f"a configuration is a dataclass instance, got {config!r}")
    types = field_types(type(config))
    return {f.name: _plain(getattr(config, f.name), types[f.name]) for f in dataclasses.fields(config) if f.init}


def from_dict(cls: type[C], data: Mapping[str, Any]) -> C:
    """The configuration that `to_dict` wrote.

    Raises:
        ValueError: If a field is unknown (naming the nearest), missing, or of another type; the path is named.
    """
    return build(cls, data, "")


def flatten(config: Any) -> dict[str, Leaf]:
    """Every setting by its path, as in `model.attention.num_heads`; tuples of scalars stay whole."""
    flat: dict[str, Leaf] = {}
    _flatten_into(flat, to_dict(config), "")
    return flat


def unflatten(flat: Mapping[str, Leaf]) -> dict[str, Any]:
    """The nested form of what `flatten` gave, for `from_dict`; numbered paths become lists."""
    nested: dict[str, Any] = {}
    for path, value in flat.items():
        *parents, last = path.split(".")
        place = nested
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    return _number_lists(nested)


def to_text(config: Any) -> str:
    """One line a setting, `path = value`, in order: the form of golden files and of `config.txt` beside results."""
    return "".join(f"{path} = {_leaf_text(value)}\n" for path, value in flatten(config).items())


def changed_lines(before_text: str, after_text: str) -> list[str]:
    """The settings that differ between two texts of `to_text`: `- path = old` and `+ path = new`, sorted by path."""
    before, after = before_text.splitlines(), after_text.splitlines()
    lines = [f"- {line}" for line in before if line not in after] + [
        f"+ {line}" for line in after if line not in before
    ]
    return sorted(lines, key=lambda line: line[2:].partition(" = ")[0])  # stable: what went stays before what came


def override(config: C, changes: Mapping[str, str]) -> C:
    """The configuration with settings changed, each by its path and the text of its new value.

    A path to a union takes the name of the type wanted, whose other fields then start from their defaults.

    Raises:
        ValueError: If a path is unknown (naming the nearest) or a text does not fit the setting's type.
    """
    data = to_dict(config)
    # Shorter paths first, so that a type is chosen before its fields are set.
    for path, text in sorted(changes.items(), key=lambda item: item[0].count(".")):
        _change(data, type(config), path, text)
    return from_dict(type(config), data)


def paths(config: Any) -> list[str]:
    """Every path that `override` takes."""
    found = []
    for path in flatten(config):
        found.append(path.removesuffix(f".{TYPE}") if path.endswith(f".{TYPE}") else path)
    return found


def _plain(value: Any, annotation: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        chosen = {TYPE: name_of(type(value))} if len(choices_of(annotation)) > 1 else {}
        return chosen | to_dict(value)
    if isinstance(value, tuple | list):
        inner = _item_type(annotation)
        return [_plain(item, inner) for item in value]
    if isinstance(value, Mapping):
        return dict(value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _item_type(annotation: Any) -> Any:
    arguments = getattr(annotation, "__args__", ())
    return arguments[0] if arguments else Any


def _flatten_into(flat: dict[str, Leaf], value: Any, path: str) -> None:
    if isinstance(value, dict) and value:
        for name, item in value.items():
            _flatten_into(flat, item, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for index, item in enumerate(value):
            _flatten_into(flat, item, f"{path}.{index}")
    else:
        flat[path] = tuple(value) if isinstance(value, list) else value


def _number_lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    items = {name: _number_lists(item) for name, item in value.items()}
    if items and all(name.isdigit() for name in items) and all(isinstance(item, dict) for item in items.values()):
        return [items[name] for name in sorted(items, key=int)]
    return items


def _leaf_text(value: Leaf) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value)


def _change(data: dict[str, Any], cls: Any, path: str, text: str) -> None:
    """Set one path in the nested form, walking the types beside it."""
    place: Any = data
    annotation: Any = cls
    walked: list[str] = []
    for name in path.split("."):
        annotation = _step(place, annotation, name, path, data)
        walked.append(name)
        if ".".join(walked) == path:
            break
        key: Any = int(name) if isinstance(place, list) else name
        if place[key] is None and len(choices_of(annotation)) == 1:
            # Setting a field of a part that is switched off switches it on.
            place[key] = _defaults(choices_of(annotation)[0])
        place = place[key]
    last: Any = int(walked[-1]) if isinstance(place, list) else walked[-1]
    choices = choices_of(annotation)
    if choices and text.casefold() != "none":
        by_name = {name_of(choice): choice for choice in choices}
        by_name |= {name.rpartition(".")[2]: choice for name, choice in by_name.items() if "." not in name}
        if text not in by_name:
            raise unknown_name(f"choice for {path}", text, by_name)
        place[last] = ({TYPE: text} if len(choices) > 1 else {}) | _defaults(by_name[text])
    else:
        place[last] = parse(annotation, text, path)


def _step(place: Any, annotation: Any, name: str, path: str, root: Any) -> Any:
    """The type of `place[name]`; an unknown name is an error that names the nearest path."""
    if isinstance(place, list):
        if not name.isdigit() or int(name) >= len(place):
            raise unknown_name("setting", path, _known_paths(root))
        return _item_type(annotation)
    choices = choices_of(annotation)
    if choices and isinstance(place, dict):
        by_name = {name_of(choice): choice for choice in choices}
        owner = by_name[place[TYPE]] if len(choices) > 1 else choices[0]
        types = field_types(owner)
        if name in types:
            return types[name]
    elif isinstance(place, dict) and name in place:
        return getattr(annotation, "__args__", (str, Any))[1]
    raise unknown_name("setting", path, _known_paths(root))


def _known_paths(data: Any) -> list[str]:
    flat: dict[str, Leaf] = {}
    _flatten_into(flat, data, "")
    return [path.removesuffix(f".{TYPE}") for path in flat]


def _defaults(cls: Any) -> dict[str, Any]:
    """The fields of a newly chosen type that have a default, in plain form."""
    types = field_types(cls)
    plain = {}
    for f in dataclasses.fields(cls):
        if f.default is not dataclasses.MISSING:
            plain[f.name] = _plain(f.default, types[f.name])
        elif f.default_factory is not dataclasses.MISSING:
            plain[f.name] = _plain(f.default_factory(), types[f.name])
    return plain
