"""A text ends before the first stop string, wherever its tokens are cut; streamed equals whole."""

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from omniloom import Omni, Sampling
from omniloom.generation import TextDelta, TextRules
from omniloom.generation.conversation import finished
from omniloom.generation.rules.stops import StopFinder
from tests.generation.rules.talkative import talkative_omni

OMNI = talkative_omni()
DRAWN = Sampling(temperature=1.0)

texts = st.text("aab é", max_size=30)
stops = st.lists(st.text("aab é", min_size=1, max_size=4), max_size=3)


@settings(deadline=None)
@example(text="aab ", stops=["aab ", "ab"], cuts=[3])
@given(text=texts, stops=stops, cuts=st.lists(st.integers(0, 30), max_size=8))
def test_in_pieces_equals_whole(text, stops, cuts):
    finder = StopFinder(stops)
    borders = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    given_out = ""
    for first, stop in pairwise(borders):
        given_out += finder.push(text[first:stop])
        assert text.startswith(given_out)
    places = [(text.find(own) + len(own), text.find(own)) for own in stops if own in text]
    assert given_out + finder.flush() == text[: min(places)[1] if places else len(text)]
    assert (finder.found is not None) == bool(places)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), data=st.data())
def test_a_reply_is_cut_at_the_first_stop_string_across_tokens(seed, data):
    options = dict(sampling=DRAWN, seed=seed, max_tokens=60)
    free = OMNI.reply("say", **options)
    first = data.draw(st.integers(0, max(0, len(free.text) - 1)))
    stop = free.text[first : first + data.draw(st.integers(1, 7))]
    if "�" in stop:  # half a character, which no caller's string stops at
        return
    rules = TextRules(stop=(stop, "never said") if stop else ("never said",))
    events = list(OMNI.stream("say", rules=rules, **options))
    reply = finished(events)
    expected = free.text[: free.text.find(stop)] if stop else free.text
    assert reply.text == expected
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == expected
    assert reply.stopped_by == (stop or None)
    assert reply.finish_reason == ("stop" if stop else free.finish_reason)
    assert free.ids[: len(reply.ids)] == reply.ids
    (whole,) = OMNI.reply_batch(["say"], rules=rules, **options)
    assert (whole.text, whole.ids, whole.stopped_by) == (reply.text, reply.ids, reply.stopped_by)


def test_what_may_be_the_beginning_of_a_stop_string_is_held_back():
    tiny = Omni.load("tiny")
    events = tiny.stream("27+14", rules=TextRules(stop=("=4 never", "ty one")))
    told = [event.text for event in events if isinstance(event, TextDelta)]
    assert told == ["2", "7", "+", "1", "4", "=41", ":", " for"]


def test_the_model_remembers_what_was_given_out():
    """The reply without its stop string is the history, in words and in the model's cache."""
    tiny = Omni.load("tiny")
    conversation = tiny.conversation()
    conversation.add("27+14")
    reply = finished(conversation.reply(rules=TextRules(stop=("rty",))))
    assert reply.text == "27+14=41: fo"
    assert [part.text for turn in conversation.history for part in turn.parts] == ["27+14", "27+14=41: fo"]
    again = tiny.conversation(conversation.history)
    for own in (conversation, again):
        own.add("say seven")
    assert conversation.num_tokens == again.num_tokens
    assert finished(conversation.reply()).ids == finished(again.reply()).ids


def test_a_reply_of_nothing_but_its_stop_string_leaves_the_turn_open():
    tiny = Omni.load("tiny")
    conversation = tiny.conversation()
    conversation.add("27+14")
    assert finished(conversation.reply(rules=TextRules(stop=("2",)))).text == ""
    assert [turn.role for turn in conversation.history] == ["user"]
    assert finished(conversation.reply()).ids == tiny.reply("27+14").ids


@pytest.mark.parametrize(
    ("rules", "fault"),
    [
        (lambda: TextRules(stop=("a",) * 5), "at most 4 stop strings are taken, got 5"),
        (lambda: TextRules(stop=("",)), "1 to 256 characters, got 0"),
        (lambda: TextRules(stop=("a" * 257,)), "1 to 256 characters, got 257"),
        (lambda: TextRules(num_logprobs=21), "from 0 to 20, got 21"),
        (lambda: TextRules(bias={3: float("nan")}), "from -100 to 100, got nan for code 3"),
    ],
)
def test_rules_are_bounded(rules, fault):
    with pytest.raises(ValueError, match=fault):
        rules()
