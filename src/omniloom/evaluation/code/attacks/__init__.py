"""Programs that attack whoever runs them, by name, and the run that shows them contained."""

from omniloom.evaluation.code.attacks.run import ATTACKS as ATTACKS
from omniloom.evaluation.code.attacks.run import FORGERS as FORGERS
from omniloom.evaluation.code.attacks.run import Attacked as Attacked
from omniloom.evaluation.code.attacks.run import run_attacks as run_attacks
