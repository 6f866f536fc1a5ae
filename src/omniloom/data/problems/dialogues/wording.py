"""How a later turn is worded: "and now make it blue", "and the other one", "go on".

Such words lean on the turns before them. They have openers of their own ("and now"), which nobody begins with.
"""

from __future__ import annotations

from functools import cached_property

from omniloom.data.problems.questions import EDITS
from omniloom.data.problems.templates import Combinations, Templates

CHANGE_OPENERS = ("", "and", "now", "and now", "ok now")
CHANGE_CLOSERS = ("", "please", "for me", "thanks")
SPOKEN_CHANGE_OPENERS = ("", "and", "now", "and now")
QUESTION_OPENERS = ("", "and", "ok and", "so")
QUESTION_CLOSERS = ("", "please", "then", "thanks")
SPOKEN_CLOSERS = ("", "please")


class FollowUp(Templates):
    """The wordings of a request that leans on the turn before."""

    @cached_property
    def _typed(self) -> Combinations:
        openers, closers = (
            (QUESTION_OPENERS, QUESTION_CLOSERS) if self.is_question else (CHANGE_OPENERS, CHANGE_CLOSERS)
        )
        return Combinations(f"{self.family}|typed", openers, self.cores, closers)

    @cached_property
    def _spoken(self) -> Combinations:
        openers = QUESTION_OPENERS if self.is_question else SPOKEN_CHANGE_OPENERS
        return Combinations(f"{self.family}|spoken", openers, self.spoken_cores or self.cores, SPOKEN_CLOSERS)


CHANGES = {kind: FollowUp(f"then {kind}", templates.cores, False) for kind, templates in EDITS.items()}
"""Changes of what was drawn, where several objects were."""

CHANGES_OF_IT = CHANGES | {
    "recolour": FollowUp(
        "then recolour it", ("make it {colour}", "paint it {colour}", "in {colour}", "the same in {colour}"), False
    ),
    "reshape": FollowUp(
        "then reshape it", ("make it a {shape}", "turn it into a {shape}", "as a {shape}", "a {shape} instead"), False
    ),
    "resize": FollowUp(
        "then resize it", ("make it {size}", "make it {more}", "{more}", "the same but {size}", "draw it {more}"), False
    ),
    "move": FollowUp(
        "then move it",
        ("move it to the {position}", "put it at the {position}", "the same at the {position}", "to the {position}"),
        False,
    ),
}
"""Changes of the only object that was drawn."""

MORE = {"big": "bigger", "small": "smaller"}

ABOUT_IT = {
    "colour": FollowUp(
        "its colour",
        ("what colour is it", "which colour is it", "what is its colour", "what colour does it have"),
        True,
    ),
    "shape": FollowUp("its shape", ("what shape is it", "which shape is it", "what is its shape"), True),
    "where": FollowUp("its place", ("where is it", "in which corner is it", "where do you see it"), True),
    "size": FollowUp("its size", ("how big is it", "is it small or big", "what size is it"), True),
}
THE_OTHER = FollowUp(
    "the other", ("the other one", "what about the other one", "the other", "how about the other one"), True
)
THE_NAMED = FollowUp("the named", ("the {what}", "what about the {what}", "how about the {what}"), True)

GO_ON = FollowUp("go on", ("go on", "continue", "carry on", "what comes next", "keep going"), False)
AGAIN = FollowUp("again", ("what was that", "say that again", "once more", "start again", "say it again"), False)
