"""A model is warm before anybody speaks to it, and nobody is charged for that."""

from __future__ import annotations

from omniloom.serving.realtime import warm_up


def test_a_silent_turn_is_heard_answered_and_written_down(omni, loudness, caplog):
    warm_up(omni, new_probability=lambda: loudness)
    own, beside = omni.conversations[0], omni.conversations[-1]
    (asked, answered), (question, heard) = own.turns, beside.turns[:2]
    assert (asked.role, answered.role) == ("user", "assistant") and answered.wants == {"audio"}
    assert heard.ids == asked.ids and "write" in omni.turns.text(question).lower()
    assert caplog.text == ""


def test_a_model_that_fails_is_told_and_served_all_the_same(omni, loudness, caplog, monkeypatch):
    def broken(self, *args, **options):
        raise RuntimeError("broken weights")

    monkeypatch.setattr(type(omni.conversation()), "reply", broken)
    warm_up(omni, new_probability=lambda: loudness)
    assert "could not be warmed up" in caplog.text
