"""What the model does not know, and the honest answer to it."""

from omniloom.data.problems.unknown.answer import HONEST_ANSWERS as HONEST_ANSWERS
from omniloom.data.problems.unknown.answer import is_refusal as is_refusal
from omniloom.data.problems.unknown.problem import UnknownProblem as UnknownProblem
