"""What is evaluated, and adapters that make it so: torch models of text, omni checkpoints, served endpoints."""

from omniloom.evaluation.few_shot.models.base import GREEDY as GREEDY
from omniloom.evaluation.few_shot.models.base import PAPER_SEARCH as PAPER_SEARCH
from omniloom.evaluation.few_shot.models.base import LanguageModel as LanguageModel
from omniloom.evaluation.few_shot.models.base import Likelihood as Likelihood
from omniloom.evaluation.few_shot.models.base import Medium as Medium
from omniloom.evaluation.few_shot.models.base import ScoreRequest as ScoreRequest
from omniloom.evaluation.few_shot.models.base import Shown as Shown
from omniloom.evaluation.few_shot.models.base import WriteRequest as WriteRequest
from omniloom.evaluation.few_shot.models.endpoint import EndpointLanguageModel as EndpointLanguageModel
from omniloom.evaluation.few_shot.models.media import MEDIUM as MEDIUM
from omniloom.evaluation.few_shot.models.media import MediaLanguageModel as MediaLanguageModel
from omniloom.evaluation.few_shot.models.omni import OmniLanguageModel as OmniLanguageModel
from omniloom.evaluation.few_shot.models.torch_model import TorchLanguageModel as TorchLanguageModel
