"""Functions made from steps, with docstrings that describe them and tests that check them."""

from omniloom.data.code.generated.functions import CodeSplit as CodeSplit
from omniloom.data.code.generated.functions import GeneratedFunctions as GeneratedFunctions
from omniloom.data.code.generated.functions import compositions as compositions
from omniloom.data.code.generated.functions import is_held_out as is_held_out
from omniloom.data.code.generated.steps import STEPS as STEPS
