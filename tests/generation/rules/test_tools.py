"""A call's arguments fit its tool's schema; an answer is the one that it would be without tools."""

import json
from itertools import pairwise

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omniloom import Omni, Sampling
from omniloom.generation import CallDelta, TextDelta, TextRules, Tool, json_object, tool_call_grammar
from omniloom.generation.conversation import finished
from omniloom.generation.rules.tools import CallReader
from tests.generation.rules.talkative import talkative_omni
from tests.generation.rules.test_constraint import objects, scalars

OMNI = talkative_omni()
PLACE = {"type": "object", "properties": {"x": {"enum": [1, 22]}, "to": {"type": "string", "maxLength": 5}}}
LIGHT = Tool(name="light", parameters={**PLACE, "required": ["x"], "additionalProperties": False})
STOP = Tool(name="stop-it")


def calls_of(tools, choice):
    return TextRules(calls=tool_call_grammar(tools, choice))


@settings(max_examples=12, deadline=None)
@given(
    schemas=st.lists(objects(scalars), min_size=1, max_size=3),
    seed=st.integers(0, 2**31),
    want=st.sampled_from(["text", "audio", "image"]),
)
def test_a_forced_call_fits_its_schema_and_streams_as_it_is(schemas, seed, want):
    tools = [Tool(name=f"tool_{number}", parameters=schema) for number, schema in enumerate(schemas)]
    rules = calls_of(tools, "required")
    events = list(OMNI.stream("say", want, sampling=Sampling(temperature=1.5), seed=seed, max_tokens=250, rules=rules))
    reply = finished(events)
    assert reply.text == "" and reply.call is not None
    told = [event for event in events if isinstance(event, CallDelta)]
    assert told[0].arguments == "" or len(told) > 1 or reply.call.arguments == told[0].arguments
    assert "".join(event.arguments for event in told) == reply.call.arguments
    assert {event.name for event in told} == {reply.call.name}
    assert not any(isinstance(event, TextDelta) for event in events)
    if reply.finish_reason == "stop":
        schema = next(tool.parameters for tool in tools if tool.name == reply.call.name)
        jsonschema.validate(json.loads(reply.call.arguments), schema)
    own = dict(sampling=Sampling(temperature=1.5), seed=seed, max_tokens=250, rules=rules)
    (whole,) = OMNI.reply_batch(["say"], want, **own)
    assert (whole.ids, whole.call, whole.text) == (reply.ids, reply.call, "")


def test_a_named_tool_is_called_and_one_without_parameters_takes_none():
    for seed in range(3):
        rules = calls_of([LIGHT, STOP], "stop-it")
        call = OMNI.reply("say", sampling=Sampling(temperature=1.0), seed=seed, rules=rules).call
        assert (call.name, json.loads(call.arguments)) == ("stop-it", {})


@pytest.mark.parametrize("want", ["text", "audio", "image"])
def test_where_it_may_a_model_that_has_not_learned_tools_answers_as_always(want):
    tiny = Omni.load("tiny")
    free = tiny.reply("27+14", want)
    held = tiny.reply("27+14", want, rules=calls_of([LIGHT, STOP], "auto"))
    assert held.ids == free.ids
    assert held.call is None


@pytest.mark.parametrize("want", ["text", "audio", "image"])
def test_where_it_may_a_reply_that_begins_with_a_brace_is_a_call(want):
    """The bias makes the model begin one; a spoken reply becomes written there."""
    codes = OMNI.codecs.text.encode_text("{")
    rules = TextRules(calls=tool_call_grammar([LIGHT], "auto"), bias={codes[0]: 100.0}, stop=())
    reply = OMNI.reply("say", want, sampling=Sampling(temperature=1.0), max_tokens=200, rules=rules)
    assert reply.call is not None and reply.finish_reason == "stop"
    jsonschema.validate(json.loads(reply.call.arguments), LIGHT.parameters)
    assert reply.audio is None and reply.image is None


def test_an_answer_never_begins_with_a_brace():
    first = {reply.text[:1] for reply in OMNI.reply_batch(
        ["say"] * 64, sampling=Sampling(temperature=5.0), seed=list(range(64)), max_tokens=2,
        rules=TextRules(calls=tool_call_grammar([LIGHT], "auto")),
    ) if reply.call is None}  # fmt: skip
    assert "{" not in first and len(first) > 10


def test_stop_strings_end_answers_and_no_calls():
    rules = TextRules(calls=tool_call_grammar([LIGHT], "required"), stop=("x",))
    reply = OMNI.reply("say", sampling=Sampling(temperature=1.0), rules=rules)
    assert '"x"' in reply.call.arguments and reply.stopped_by is None


def test_the_model_remembers_its_call():
    conversation = OMNI.conversation()
    conversation.add("say")
    reply = finished(conversation.reply(rules=calls_of([STOP], "required")))
    assert [part.text for part in conversation.history[-1].parts] == [reply.call.text]
    again = OMNI.conversation(conversation.history)
    for own in (conversation, again):
        own.add("big")
    assert finished(conversation.reply(max_tokens=20)).ids == finished(again.reply(max_tokens=20)).ids


@settings(deadline=None)
@given(
    arguments=st.recursive(
        st.integers() | st.text('}{"a', max_size=3),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("}a", max_size=2), inner, max_size=2),
        max_leaves=4,
    ).map(lambda inner: json.dumps({"a": inner})),
    cuts=st.lists(st.integers(0, 80), max_size=6),
    num_lost=st.integers(0, 10),
)
def test_a_call_is_read_in_pieces_and_cut_anywhere(arguments, cuts, num_lost):
    text = f'{{"name": "light", "arguments": {arguments}}}'
    kept = text[: len(text) - num_lost]
    reader = CallReader()
    borders = [0, *sorted(min(cut, len(kept)) for cut in cuts), len(kept)]
    told = "".join(reader.push(kept[first:stop]) for first, stop in pairwise(borders))
    told += reader.flush()
    assert told == reader.call().arguments == arguments[: len(arguments) - max(0, num_lost - 1)]
    assert CallReader().call() is None


def tools_with(schema):
    return [Tool(name=f"t{number}", parameters={"properties": {"a": schema}}) for number in range(2)]


@pytest.mark.parametrize(
    ("tools", "choice", "fault"),
    [
        ([STOP, STOP], "auto", "two tools are called stop-it"),
        ([STOP], "light", "'light' names no tool that is given \\(stop-it\\)"),
        ([], "required", "there is none"),
        ([Tool(name=f"t{n}") for n in range(129)], "auto", "129 tools are given, at most 128"),
        (tools_with({"enum": ["x" * 1001]}), "auto", "parameters of tool t0: enum"),
        (tools_with({"multipleOf": 997}), "auto", "994009"),
        (tools_with({"allOf": [{"multipleOf": 997}] * 1_500}), "auto", "994009 when multiplied"),
        (tools_with({"allOf": [{"multipleOf": 997}] * 20_000}), "auto", "at most 65536 are taken"),
        (tools_with({"enum": list(range(9000))}), "auto", "leave tools out"),
    ],
)  # fmt: skip
def test_tools_that_cannot_be_offered_are_refused(tools, choice, fault):
    with pytest.raises(ValueError, match=fault):
        tool_call_grammar(tools, choice)


def test_rules_that_contradict_each_other_are_refused():
    with pytest.raises(ValueError, match="a tool's name must be 1 to 64"):
        Tool(name="so so")
    with pytest.raises(ValueError, match="must be an object, got 'string'"):
        Tool(name="t", parameters={"type": "string"})
    with pytest.raises(ValueError, match="not both"):
        TextRules(constraint=json_object(), calls=tool_call_grammar([STOP]))
    assert tool_call_grammar([STOP], "none") is None and tool_call_grammar([]) is None
    with pytest.raises(ValueError, match="Unknown format: foo"):
        broken = Tool(name="t", parameters={"properties": {"a": {"type": "string", "format": "foo"}}})
        OMNI.reply("say", rules=calls_of([broken], "auto"))
