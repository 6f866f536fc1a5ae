"""Mappings to be learned from a prompt alone: a few solved items, and one that is not."""

from omniloom.data.problems.in_context.families import FAMILIES as FAMILIES
from omniloom.data.problems.in_context.families import Family as Family
from omniloom.data.problems.in_context.families import Mapping as Mapping
from omniloom.data.problems.in_context.families import Solved as Solved
from omniloom.data.problems.in_context.families import different_items as different_items
from omniloom.data.problems.in_context.families import drawn as drawn
from omniloom.data.problems.in_context.families import is_held_out as is_held_out
from omniloom.data.problems.in_context.problem import InContextProblem as InContextProblem
from omniloom.data.problems.in_context.words import CLASSES as CLASSES
