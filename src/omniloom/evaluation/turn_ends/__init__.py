"""How well a model hears that the other has finished: cut-ins, missed ends and delay on voices it never heard."""

from omniloom.evaluation.turn_ends.decisions import Frame as Frame
from omniloom.evaluation.turn_ends.decisions import Setting as Setting
from omniloom.evaluation.turn_ends.decisions import TurnScore as TurnScore
from omniloom.evaluation.turn_ends.decisions import decided_at as decided_at
from omniloom.evaluation.turn_ends.figure import draw_turns as draw_turns
from omniloom.evaluation.turn_ends.measure import TurnReport as TurnReport
from omniloom.evaluation.turn_ends.measure import knows_turn_ends as knows_turn_ends
from omniloom.evaluation.turn_ends.measure import measure_turns as measure_turns
from omniloom.evaluation.turn_ends.utterances import Utterance as Utterance
