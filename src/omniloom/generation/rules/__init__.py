"""Demands on a reply's text: a form that it is held to, stop strings, log-probabilities, calls of tools."""

from omniloom.generation.rules.constraint import Constraint as Constraint
from omniloom.generation.rules.constraint import json_object as json_object
from omniloom.generation.rules.constraint import json_schema as json_schema
from omniloom.generation.rules.constraint import lark as lark
from omniloom.generation.rules.constraint import regex as regex
from omniloom.generation.rules.logprobs import TokenLogprob as TokenLogprob
from omniloom.generation.rules.logprobs import TokenScores as TokenScores
from omniloom.generation.rules.reading import TextReader as TextReader
from omniloom.generation.rules.rulebook import Rulebook as Rulebook
from omniloom.generation.rules.rulebook import Ruling as Ruling
from omniloom.generation.rules.text_rules import TextRules as TextRules
from omniloom.generation.rules.tools import Tool as Tool
from omniloom.generation.rules.tools import ToolCall as ToolCall
from omniloom.generation.rules.tools import ToolRules as ToolRules
from omniloom.generation.rules.tools import tool_call_grammar as tool_call_grammar
