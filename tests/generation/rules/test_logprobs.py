"""Log-probabilities are those of torch over all that could have come, and go with the text's tokens."""

import math
import re

import pytest

from omniloom import Omni, Sampling
from omniloom.generation import TextDelta, TextRules, regex
from omniloom.generation.conversation import encode, finished
from omniloom.generation.omni import as_messages
from omniloom.stream import vocabulary as v
from omniloom.stream.grammar import ReplyGrammar
from omniloom.stream.layout import lay_out, open_reply
from tests.generation.rules.talkative import talkative_omni
from tests.generation.untrained import uncached_scores

OMNI = talkative_omni()


def torch_logprobs(omni, prompt, reply, want):
    """Of each token of text: log-softmax over the ids that the grammar offered, from the model without a cache."""
    messages = [encode(message, omni.codecs) for message in as_messages(prompt)]
    ids = [*lay_out(messages, omni.vocabulary).ids, *open_reply(frozenset({want})), *reply.ids]
    grammar = ReplyGrammar(omni.vocabulary, want, limits=omni._prepared.grammar(frozenset({want})).limits)
    state, found = grammar.start(), []
    for place, token in enumerate(reply.ids, start=len(ids) - len(reply.ids)):
        if omni.vocabulary.modality_of(token) == "text":
            scores = uncached_scores(omni.model, ids[:place])[-1, : omni.vocabulary.size].double()
            logprobs = scores.masked_fill(~grammar.allowed(state), -math.inf).log_softmax(-1)
            found.append((token, logprobs))
        state = grammar.advance(state, token)
    return found


@pytest.mark.parametrize("want", ["text", "audio"])
@pytest.mark.parametrize("temperature", [0.0, 1.3])
def test_they_equal_torch_whatever_the_temperature(want, temperature):
    reply = OMNI.reply(
        "say", want, sampling=Sampling(temperature=temperature), seed=3, max_tokens=40, rules=TextRules(num_logprobs=5)
    )
    expected = torch_logprobs(OMNI, "say", reply, want)
    assert len(expected) == len(reply.logprobs) > 0
    first = OMNI.vocabulary.start_of("text")
    for (token, logprobs), own in zip(expected, reply.logprobs, strict=True):
        assert own.data == OMNI.codecs.text.token_bytes[token - first]
        # The native decode step and torch's matrix products round differently.
        assert own.logprob == pytest.approx(float(logprobs[token]), abs=2e-4)
        top = logprobs[: first + OMNI.codecs.text.spec.size].topk(5)
        assert [other.logprob for other in own.top] == pytest.approx(top.values.tolist(), abs=2e-4)


def test_they_sum_to_one_where_there_are_few():
    """A choice of three letters and nothing else: their probabilities are all that there is."""
    rules = TextRules(constraint=regex("[abc][0-9]"), num_logprobs=20)
    reply = OMNI.reply("say", sampling=Sampling(temperature=1.0), rules=rules)
    letter, digit = reply.logprobs
    assert {other.text for other in letter.top} == {"a", "b", "c"}
    assert {other.text for other in digit.top} == set("0123456789")
    for own in (letter, digit):
        assert sum(math.exp(other.logprob) for other in own.top) == pytest.approx(1)
        assert own.logprob == next(other.logprob for other in own.top if other.text == own.text)


def test_the_end_is_named_where_it_might_have_come():
    reply = OMNI.reply("say", max_tokens=3, rules=TextRules(num_logprobs=20, bias={5: 1.0}))
    controls = [other for own in reply.logprobs[1:] for other in own.top if other.data is None]
    assert {other.text for other in controls} <= {v.CONTROLS[v.END]}


@pytest.mark.parametrize("stop", [(), ("e",), (" ",)])
def test_streamed_equals_whole_and_the_text_is_theirs(stop):
    for seed in range(6):
        options = dict(sampling=Sampling(temperature=1.0), seed=seed, max_tokens=50)
        rules = TextRules(num_logprobs=2, stop=stop)
        events = list(OMNI.stream("say", rules=rules, **options))
        reply = finished(events)
        told = [own for event in events if isinstance(event, TextDelta) for own in event.logprobs]
        assert tuple(told) == reply.logprobs
        (whole,) = OMNI.reply_batch(["say"], rules=rules, **options)
        assert whole.logprobs == reply.logprobs
        said = b"".join(own.data for own in reply.logprobs)
        if reply.stopped_by is None:
            assert said.decode(errors="replace") == reply.text
            assert len(reply.logprobs) == reply.usage.text_tokens
        else:
            assert said.decode(errors="replace").startswith(reply.text)


def test_none_unless_asked_for():
    assert OMNI.reply("say", max_tokens=5).logprobs == ()
    reply = OMNI.reply("say", max_tokens=5, rules=TextRules(num_logprobs=0))
    assert len(reply.logprobs) == reply.usage.text_tokens
    assert all(own.top == () for own in reply.logprobs)


def test_bias_moves_what_is_said():
    tiny = Omni.load("tiny")
    (code,) = tiny.codecs.text.encode_text(" red")
    (other,) = tiny.codecs.text.encode_text(" blue")
    free = tiny.reply("what colour is the sky?", rules=TextRules(bias={code: 0.0, other: 0.0}))
    assert free.ids == tiny.reply("what colour is the sky?").ids
    forced = tiny.reply("what colour is the sky?", max_tokens=4, rules=TextRules(bias={code: 100.0}))
    assert forced.text == " red" * 4
    spoken = tiny.reply("what colour is the sky?", "audio", max_tokens=40, rules=TextRules(bias={code: 100.0}))
    assert set(spoken.text.split()) == {"red"}
    with pytest.raises(ValueError, match=re.escape("a text code in 0..1279, got [1280]")):
        tiny.reply("say", rules=TextRules(bias={1280: 1.0}))
