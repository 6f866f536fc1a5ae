"""What the text of a reply is held to: a JSON schema, any JSON object, a regular expression, or a Lark grammar.

The library llguidance compiles all four and says, after each token, which tokens may follow and whether the text may
end. Rejected: outlines-core and xgrammar, which compile a schema whole before the first token; llguidance builds its
automata as they are walked, so that a schema is ready in about a millisecond (`benchmarks/generation/bench_rules.py`).

Whoever sends a schema must not be able to hold up the others, so everything is bounded: the source's length and depth,
what the library may spend on compiling and on a step (`LIMITS`), and the two things that its own limits do not reach.
The states of `multipleOf` grow with the number (of 99991 for 3 s, of 999983 for minutes), and a literal is tokenised
anew in every step that it forces (50,000 characters: 48 ms a token).

JSON is written on one line, with at most one space where JSON allows white space: else a model that has not learned
JSON would go on writing spaces, which no schema forbids.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from llguidance import LLParserLimits

Kind = Literal["json_schema", "regex", "lark"]

NAMES: dict[Kind, str] = {"json_schema": "JSON schema", "regex": "regular expression", "lark": "grammar"}

MAX_SOURCE_CHARS: dict[Kind, int] = {"json_schema": 65_536, "regex": 4_096, "lark": 16_384}
"""A schema's, without its annotations."""

MAX_DEPTH = 64
"""Nested objects and arrays of a schema, each of which is about two in what it describes."""

MAX_LITERAL_CHARS = 1_000
"""Of a property's name, or of a string in `const` or `enum`: a step takes at most about half a millisecond."""

MAX_MULTIPLE = 10_000
"""All values of `multipleOf` in a schema, multiplied: about 0.1 s of compiling."""

LIMITS: dict[str, Any] = dict(
    max_items_in_row=1_000,
    initial_lexer_fuel=500_000,
    step_lexer_fuel=50_000,
    step_max_items=10_000,
    max_lexer_states=20_000,
    max_grammar_size=50_000,
    # Not in errors: they would hold the parser's insides.
    verbose_errors=False,
)
"""A quarter and less of the library's own, by whose documentation compiling then takes about 10 ms and a step 4 ms."""

JSON_STYLE = {"whitespace_pattern": " ?", "coerce_one_of": False, "lenient": False}
"""One space at most; what the library cannot hold to is refused and not left out."""

_ANNOTATIONS = ("title", "description", "$comment", "examples", "default", "deprecated", "readOnly", "writeOnly")
_NAMED = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_LITERALS = ("const", "enum")


@dataclass(frozen=True, kw_only=True)
class Constraint:
    """What a text must be, by one of the functions below; `source` is as llguidance takes it."""

    kind: Kind
    source: str

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return NAMES[self.kind]


def json_schema(schema: Mapping[str, Any] | bool) -> Constraint:
    """Text that is JSON and fits the schema.

    Keywords that cannot be held to are refused when the constraint is compiled, before the reply begins.

    Raises:
        ValueError: If it is no schema, or larger than may be.
    """
    return Constraint(kind="json_schema", source=schema_source(schema))


def json_object() -> Constraint:
    """Text that is any JSON object."""
    return json_schema({"type": "object"})


def regex(pattern: str) -> Constraint:
    """Text that matches the pattern from its first to its last character; Rust's syntax, without look-around."""
    return Constraint(kind="regex", source=_bounded("regex", pattern))


def lark(grammar: str) -> Constraint:
    """Text of a grammar in llguidance's form of Lark, whose first rule is `start`."""
    for word in ("%json", "%llguidance"):
        if word in grammar:
            raise ValueError(f"a grammar may not hold {word}; hold the reply to a JSON schema instead")
    return Constraint(kind="lark", source=_bounded("lark", grammar))


def schema_source(schema: Mapping[str, Any] | bool) -> str:
    """The schema as compact JSON in the style of `JSON_STYLE`, without what only people read.

    Raises:
        ValueError: If it is no schema, or larger than may be.
    """
    if isinstance(schema, bool):
        schema = {} if schema else {"not": {}}
    if not isinstance(schema, Mapping):
        raise ValueError(f"a JSON schema must be an object or a boolean, got {type(schema).__name__}")
    try:
        plain = _without_annotations(schema, depth=0)
        source = json.dumps({**plain, "x-guidance": JSON_STYLE}, ensure_ascii=False, separators=(",", ":"))
        source.encode()
    except (TypeError, UnicodeEncodeError) as error:
        raise ValueError(f"the JSON schema is no JSON ({error}); give one that is") from error
    source = _bounded("json_schema", source)
    check_multiples([plain])
    return source


def check_multiples(schemas: Sequence[Mapping[str, Any]]) -> None:
    """Refuse schemas of one grammar whose values of `multipleOf` would take long to compile.

    It stops at the first that is too much: a product of thousands would itself take long.

    Raises:
        ValueError: If they are larger than `MAX_MULTIPLE` when multiplied.
    """
    multiple = 1
    for number in (number for schema in schemas for number in _multiples(schema)):
        multiple *= number
        if multiple > MAX_MULTIPLE:
            raise ValueError(
                f"values of multipleOf in the JSON schema are {multiple} when multiplied, at most {MAX_MULTIPLE} is "
                "taken; use smaller ones, or check the number yourself"
            )


def grammar_of(constraint: Constraint) -> str:
    """The constraint as one of the library's grammars."""
    from llguidance import LLMatcher

    if constraint.kind == "json_schema":
        return LLMatcher.grammar_from_json_schema(constraint.source)
    if constraint.kind == "regex":
        return LLMatcher.grammar_from_regex(constraint.source)
    return LLMatcher.grammar_from_lark(constraint.source)


def limits() -> LLParserLimits:
    from llguidance import LLParserLimits

    return LLParserLimits(**LIMITS)


def _bounded(kind: Kind, source: str) -> str:
    if not source:
        raise ValueError(f"the {NAMES[kind]} is empty; leave it out or give one")
    if len(source) > MAX_SOURCE_CHARS[kind]:
        raise ValueError(
            f"the {NAMES[kind]} has {len(source)} characters, at most {MAX_SOURCE_CHARS[kind]} are taken; use a "
            "smaller one"
        )
    return source


def _without_annotations(schema: Any, *, depth: int) -> Any:
    """A schema and those in it without annotations; names of properties are no keywords and stay."""
    if depth > MAX_DEPTH:
        raise ValueError(f"the JSON schema is nested more than {MAX_DEPTH} deep; use $ref, or a flatter one")
    if isinstance(schema, list | tuple):
        return [_without_annotations(item, depth=depth + 1) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    found: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _LITERALS:
            found[key] = _checked_literal(value, key=key, depth=depth)
        elif key in _NAMED and isinstance(value, Mapping):
            for name in value:
                _check_length(name, key=key)
            found[key] = {name: _without_annotations(item, depth=depth + 2) for name, item in value.items()}
        elif key not in _ANNOTATIONS and key != "x-guidance":
            found[key] = _without_annotations(value, depth=depth + 1)
    return found


def _checked_literal(value: Any, *, key: str, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise ValueError(f"{key} in the JSON schema is nested more than {MAX_DEPTH} deep; use a flatter one")
    if isinstance(value, Mapping):
        for name, item in value.items():
            _check_length(name, key=key)
            _checked_literal(item, key=key, depth=depth + 1)
    elif isinstance(value, list | tuple):
        for item in value:
            _checked_literal(item, key=key, depth=depth + 1)
    else:
        _check_length(value, key=key)
    return value


def _check_length(value: Any, *, key: str) -> None:
    if isinstance(value, str) and len(value) > MAX_LITERAL_CHARS:
        raise ValueError(
            f"{key} in the JSON schema holds a string of {len(value)} characters, at most {MAX_LITERAL_CHARS} are "
            "taken; use a shorter one"
        )


def _multiples(schema: Any) -> Iterator[int]:
    """The digits of every `multipleOf`, without those zeros that only set the point."""
    for key, value in schema.items() if isinstance(schema, Mapping) else enumerate(schema):
        if key == "multipleOf" and _is_above_zero(value):
            yield int("".join(map(str, Decimal(str(value)).as_tuple().digits)).rstrip("0"))
        elif isinstance(value, Mapping | list):
            yield from _multiples(value)


def _is_above_zero(value: Any) -> bool:
    """A number of any size: JSON's integers may be too large for a float."""
    return isinstance(value, int | float) and 0 < value < math.inf
