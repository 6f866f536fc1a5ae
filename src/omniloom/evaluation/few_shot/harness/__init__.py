"""Our models in EleutherAI's lm-evaluation-harness, and our tasks as files that it reads (extra `eval`)."""

from omniloom.evaluation.few_shot.harness.adapter import HarnessModel as HarnessModel
from omniloom.evaluation.few_shot.harness.running import HarnessItem as HarnessItem
from omniloom.evaluation.few_shot.harness.running import evaluate_in_harness as evaluate_in_harness
from omniloom.evaluation.few_shot.harness.writing import write_harness_task as write_harness_task
