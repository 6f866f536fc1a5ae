"""The tasks, a file for each family; importing this files them by name."""

from omniloom.evaluation.few_shot.tasks.analogies import ANALOGIES as ANALOGIES
from omniloom.evaluation.few_shot.tasks.arithmetic import ARITHMETIC as ARITHMETIC
from omniloom.evaluation.few_shot.tasks.bbh import BBH as BBH
from omniloom.evaluation.few_shot.tasks.bbh import BBH_WORKED as BBH_WORKED
from omniloom.evaluation.few_shot.tasks.cloze import CLOZE as CLOZE
from omniloom.evaluation.few_shot.tasks.gsm8k import GSM8K as GSM8K
from omniloom.evaluation.few_shot.tasks.mappings import META as META
from omniloom.evaluation.few_shot.tasks.novel_words import NOVEL_WORDS as NOVEL_WORDS
from omniloom.evaluation.few_shot.tasks.omni import OMNI as OMNI
from omniloom.evaluation.few_shot.tasks.piqa import PIQA as PIQA
from omniloom.evaluation.few_shot.tasks.scrambles import SCRAMBLES as SCRAMBLES
from omniloom.evaluation.few_shot.tasks.translation import TRANSLATION as TRANSLATION
from omniloom.evaluation.few_shot.tasks.winogender import WINOGENDER as WINOGENDER
