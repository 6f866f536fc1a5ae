"""The likelihood of given replies: what is reported for a reply that was picked, and the prompt fed once for all."""

from __future__ import annotations

import math

import pytest

from omniloom.generation import Omni, Sampling, TextRules
from omniloom.generation.likelihood import reply_likelihoods

PROMPT = "what is seven plus five"


@pytest.fixture(scope="module")
def omni() -> Omni:
    return Omni.load("tiny")


def test_it_is_what_is_reported_of_a_reply_that_was_picked(omni: Omni) -> None:
    reply = omni.reply(PROMPT, sampling=Sampling(temperature=0.0), rules=TextRules(num_logprobs=0))
    of_text = [token for token in reply.logprobs if token.data is not None]
    assert len(of_text) > 2
    [[found]] = omni.likelihoods([(PROMPT, [reply.text])])
    assert found.num_tokens == len(of_text)
    assert found.logprob == pytest.approx(sum(token.logprob for token in of_text), abs=1e-4)


def test_together_equals_alone(omni: Omni) -> None:
    asked = [(PROMPT, ["twelve", "a red star", "7+5=12: twelve"]), ("draw a blue ring on the left", ["no", "twelve"])]
    together = omni.likelihoods(asked)
    alone = [[omni.likelihoods([(prompt, [reply])])[0][0] for reply in replies] for prompt, replies in asked]
    assert together == alone
    assert all(math.isfinite(own.logprob) and own.logprob < 0 for replies in together for own in replies)
    assert together == omni.likelihoods(asked, batch_rows=1)


def test_a_prompt_is_fed_once_for_all_of_its_replies(omni: Omni, monkeypatch: pytest.MonkeyPatch) -> None:
    fed = []
    prepared = omni._prepared
    new_step = prepared.new_step

    def counting_step():
        step = new_step()

        class Counting:
            max_positions = step.max_positions

            def __call__(self, shares, ranges):
                fed.append(sum(len(share.positions) for share in shares))
                return step(shares, ranges)

        return Counting()

    monkeypatch.setattr(prepared, "new_step", counting_step)
    prompt = omni._prompt_ids(PROMPT, frozenset({"text"}))
    replies = [omni._reply_ids(text) for text in ("twelve", "a red star", "a red ring", "eleven")]
    reply_likelihoods(prepared, [(prompt, replies)])
    assert sum(fed) == len(prompt) + sum(len(reply) - 1 for reply in replies)


def test_what_cannot_be_scored_is_refused(omni: Omni) -> None:
    with pytest.raises(ValueError, match="an empty reply has no likelihood"):
        omni.likelihoods([(PROMPT, [""])])
    with pytest.raises(ValueError, match="do not fit the model's context"):
        omni.likelihoods([(PROMPT, ["seven " * omni.context])])
    with pytest.raises(ValueError, match="the reply holds 600 tokens, a written reply 512 at most"):
        omni.likelihoods([(PROMPT, ["7" * 600])])
    with pytest.raises(ValueError, match=r"codes of text are from 0 to \d+, got \[-1\]"):
        omni.reply_logprobs(PROMPT, [[-1]])
    assert omni.likelihoods([]) == []


def test_by_token_it_sums_to_the_whole(omni: Omni) -> None:
    replies = ["twelve", "7+5=12: twelve"]
    [whole] = omni.likelihoods([(PROMPT, replies)])
    for own, tokens, text in zip(whole, omni.reply_logprobs(PROMPT, replies, num_top=3), replies, strict=True):
        assert sum(token.logprob for token in tokens) == pytest.approx(own.logprob, rel=1e-12)
        assert b"".join(token.data or b"" for token in tokens).decode() == text
        assert all(len(token.top) == 3 and token.top[0].logprob >= token.logprob for token in tokens)
    by_code = omni.reply_logprobs(PROMPT, [omni.codecs.text.encode_text(text) for text in replies])
    assert [[token.logprob for token in row] for row in by_code] == [
        [token.logprob for token in row] for row in omni.reply_logprobs(PROMPT, replies)
    ]
    assert omni.reply_logprobs(None, ["twelve"]) != omni.reply_logprobs(PROMPT, ["twelve"])
