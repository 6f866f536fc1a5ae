"""Whatever a model's weights are, a finished reply has the form that it was held to."""

import json
import re
from concurrent.futures import ThreadPoolExecutor

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omniloom import Omni, Sampling
from omniloom.codecs.text import TextCodec
from omniloom.generation import TextRules, json_object, json_schema, lark, regex
from omniloom.generation.rules import Rulebook
from omniloom.generation.rules.rulebook import spread
from omniloom.stream.vocabulary import Vocabulary
from tests.generation.rules.talkative import talkative_omni
from tests.generation.untrained import picture, untrained_codecs

OMNI = talkative_omni()
DRAWN = Sampling(temperature=1.5)

names = st.text('abcxyz_ é猫"\\', min_size=1, max_size=6)
scalars = st.one_of(
    st.just({"type": "boolean"}),
    st.just({"type": "null"}),
    st.tuples(st.integers(-1000, 1000), st.integers(0, 50)).map(
        lambda pair: {"type": "integer", "minimum": pair[0], "maximum": pair[0] + pair[1]}
    ),
    st.tuples(st.integers(0, 4), st.integers(0, 6)).map(
        lambda pair: {"type": "string", "minLength": pair[0], "maxLength": pair[0] + pair[1]}
    ),
    st.sampled_from(["^[a-c]{1,5}$", "^(say|big) [0-9]$", "^é猫?$"]).map(
        lambda own: {"type": "string", "pattern": own}
    ),
    st.sampled_from(["date", "time", "uuid", "ipv4"]).map(lambda own: {"type": "string", "format": own}),
    st.lists(st.one_of(st.integers(-5, 5), st.booleans(), st.none(), names), min_size=1, max_size=4).map(
        lambda values: {"enum": values}
    ),
    st.sampled_from([3, 7, 0.5]).map(
        lambda own: {"type": "number", "multipleOf": own, "minimum": 0, "exclusiveMaximum": 1000}
    ),
)


def objects(inner):
    def described(properties, required, others):
        kept = [name for name, is_needed in zip(properties, required, strict=False) if is_needed]
        return {"type": "object", "properties": properties, "required": kept, "additionalProperties": others}

    return st.builds(
        described,
        st.dictionaries(names, inner, max_size=4),
        st.lists(st.booleans(), min_size=4, max_size=4),
        st.just(False),
    )


def arrays(inner):
    return st.tuples(inner, st.integers(0, 2), st.integers(0, 2)).map(
        lambda own: {"type": "array", "items": own[0], "minItems": own[1], "maxItems": own[1] + own[2]}
    )


schemas = st.recursive(
    scalars,
    lambda inner: st.one_of(
        objects(inner), arrays(inner), st.lists(inner, min_size=1, max_size=3).map(lambda own: {"anyOf": own})
    ),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None)
@given(schema=schemas, temperature=st.sampled_from([0.0, 1.0, 5.0]), seed=st.integers(0, 2**31))
def test_every_finished_reply_fits_its_schema(schema, temperature, seed):
    rules = TextRules(constraint=json_schema(schema))
    reply = OMNI.reply("say", sampling=Sampling(temperature=temperature), seed=seed, max_tokens=400, rules=rules)
    if reply.finish_reason == "stop":
        found = json.loads(reply.text)
        jsonschema.validate(found, schema)
    else:
        assert reply.usage.text_tokens == 400 or len(reply.text) > 100


FORMS = {
    "schema": (
        json_schema({"type": "object", "properties": {"n": {"enum": [1, 2]}, "of": {"type": "boolean"}}}),
        lambda text: isinstance(json.loads(text), dict),
    ),
    "pattern": (regex("(say|big) [0-9]{2,4}é?"), lambda text: re.fullmatch("(say|big) [0-9]{2,4}é?", text)),
    "grammar": (lark('start: "a" start "b" | "-"'), lambda text: re.fullmatch("(a*)-(b*)", text)),
}


@pytest.mark.parametrize("name", FORMS)
def test_replies_in_a_batch_and_by_threads_equal_those_alone(name):
    """Rows with a form, with another, and with none stand in one batch."""
    constraint, fits = FORMS[name]
    rules = [TextRules(constraint=constraint), None, TextRules(constraint=FORMS["grammar"][0]), TextRules(stop=("e",))]
    prompts = ["say", "what is this?", "big red", ["a", picture()]] * 2
    demands, seeds = rules * 2, list(range(8))
    together = OMNI.reply_batch(prompts, sampling=DRAWN, seed=seeds, max_tokens=60, rules=demands, batch_rows=5)

    def alone(row):
        return OMNI.reply(prompts[row], sampling=DRAWN, seed=seeds[row], max_tokens=60, rules=demands[row])

    with ThreadPoolExecutor(4) as threads:
        streamed = list(threads.map(alone, range(8)))
    for own, other in zip(together, streamed, strict=True):
        assert (own.ids, own.text, own.finish_reason) == (other.ids, other.text, other.finish_reason)
    for reply in together[::4]:
        assert reply.finish_reason == "length" or fits(reply.text)


def test_a_form_that_the_free_reply_has_changes_nothing():
    omni = Omni.load("tiny")
    for question in ("27+14", "what colour is the sky?", "say seven"):
        free = omni.reply(question)
        others = re.escape(free.text).replace("\\ ", " ")
        held = omni.reply(question, rules=TextRules(constraint=regex(f"({others}|[a-z ]{{1,20}}[0-9])")))
        assert held.ids == free.ids


def test_the_end_comes_just_where_the_form_may_end():
    reply = OMNI.reply("say", sampling=DRAWN, rules=TextRules(constraint=regex("(ab){3}")))
    assert (reply.text, reply.finish_reason) == ("ababab", "stop")


def test_a_reply_that_runs_out_of_tokens_says_so():
    rules = TextRules(constraint=json_object())
    assert OMNI.reply("say", max_tokens=2, rules=rules).finish_reason == "length"
    # Here the grammar of replies leaves no more text, while the form still wants some.
    short = talkative_omni(text_tokens=5)
    for seed in range(3):
        own = TextRules(constraint=regex("[a-z]{40}"))
        reply = short.reply("say", sampling=DRAWN, seed=seed, rules=own)
        assert reply.finish_reason == "length"
        assert reply.usage.text_tokens == 5
        assert reply.ids == short.reply_batch(["say"], sampling=DRAWN, seed=seed, rules=own)[0].ids


def test_codes_that_stand_for_nothing_are_never_written():
    """A codec whose training left codes unused."""
    codec = TextCodec.train(["ab"], 300)
    assert b"" in codec.token_bytes
    codecs = untrained_codecs()
    book = Rulebook(Vocabulary([codec.spec, codecs.audio.spec, codecs.image.spec]), codec)
    allowed = spread(book.matcher(regex("[a-z ]*")).compute_bitmask(), 300)[:-1]
    assert {codec.token_bytes[code] for code in allowed.nonzero()[0]} >= {b"a", b"z"}
    assert not any(codec.token_bytes[code] == b"" for code in allowed.nonzero()[0])


def nested(depth):
    schema = {"type": "integer"}
    for _ in range(depth):
        schema = {"type": "array", "items": schema}
    return schema


def crossing(count):
    parts = [{"anyOf": [{"properties": {f"a{n}": {}}}, {"properties": {f"b{n}": {}}}]} for n in range(count)]
    return {"type": "object", "allOf": parts}


@pytest.mark.parametrize(
    ("constraint", "fault"),
    [
        (lambda: json_schema({"type": "foo"}), "Invalid type: foo"),
        (lambda: json_schema([1]), "must be an object or a boolean, got list"),
        (lambda: json_schema({"const": {1}}), "is no JSON"),
        (lambda: json_schema({"const": "\ud800"}), "is no JSON"),
        (lambda: json_schema({"not": {"type": "string"}}), 'Unimplemented keys: \\["not"\\]'),
        (lambda: json_schema({"type": "string", "format": "foo"}), "Unknown format: foo"),
        (lambda: json_schema({"$ref": "#/$defs/a"}), "Pointer '/defs/a' does not exist|/\\$defs/a"),
        (lambda: json_schema({"$ref": "https://example.com/a.json"}), "not present in a registry"),
        (lambda: json_schema({"oneOf": [{"type": "integer"}, {"type": "number"}]}), "oneOf"),
        (lambda: json_schema(False), "cannot be held to|allows no text"),
        (lambda: json_schema(nested(100)), "nested more than 64 deep"),
        (lambda: json_schema(crossing(16)), "too (large|big)"),
        (lambda: json_schema({"enum": ["x" * 1001]}), "a string of 1001 characters"),
        (lambda: json_schema({"properties": {"x" * 1001: {}}}), "a string of 1001 characters"),
        (lambda: json_schema({"type": "integer", "multipleOf": 99991}), "99991 when multiplied"),
        (lambda: json_schema({"allOf": [{"multipleOf": 997}, {"multipleOf": 0.00991}]}), "988027 when multiplied"),
        (lambda: json_schema({"allOf": [{"multipleOf": 997}] * 2_500}), "994009 when multiplied"),
        (lambda: json_schema({"allOf": [{"multipleOf": 997}] * 20_000}), "at most 65536 are taken"),
        (lambda: json_schema({"multipleOf": 10**400 + 1}), "when multiplied"),
        (lambda: json_schema({"enum": list(range(70_000))}), "at most 65536 are taken"),
        (lambda: regex("(a"), "unclosed group"),
        (lambda: regex(""), "is empty"),
        (lambda: regex("a" * 5000), "5000 characters"),
        (lambda: regex("()"), "allows no text"),
        (lambda: lark("start: nothing"), "unknown name"),
        (lambda: lark("start: %json {}"), "hold the reply to a JSON schema"),
    ],
)
def test_what_cannot_be_held_to_is_refused_before_the_reply_begins(constraint, fault):
    with pytest.raises(ValueError, match=fault):
        OMNI.stream("say", rules=TextRules(constraint=constraint()))


def test_a_form_too_costly_to_keep_ends_its_own_reply_only(monkeypatch):
    """The library's limit of a step is reached in the middle of a reply."""
    costly = TextRules(constraint=json_schema({"type": "string", "pattern": "(.*a.{12}){4}"}))
    monkeypatch.setattr(
        "omniloom.generation.rules.constraint.LIMITS", {"step_lexer_fuel": 3_000, "verbose_errors": False}
    )
    omni = Omni(OMNI.model, OMNI.codecs)
    demands = [costly, None, costly]

    def reply(row):
        try:
            return omni.reply("say", sampling=DRAWN, seed=row, max_tokens=80, rules=demands[row]).ids
        except ValueError as error:
            return str(error)

    with ThreadPoolExecutor(3) as threads:
        found = list(threads.map(reply, range(3)))
    assert any(isinstance(own, str) and "cannot be held to" in own for own in (found[0], found[2]))
    assert found[1] == omni.reply("say", sampling=DRAWN, seed=1, max_tokens=80).ids


@pytest.mark.parametrize("want", ["audio", "image", ("audio", "image")])
def test_only_a_written_reply_has_a_form(want):
    with pytest.raises(ValueError, match="cannot be held to a form; want text"):
        OMNI.stream("say", want, rules=TextRules(constraint=json_object()))
    with pytest.raises(ValueError, match="has no stop strings; want text"):
        OMNI.stream("say", want, rules=TextRules(stop=("a",)))
