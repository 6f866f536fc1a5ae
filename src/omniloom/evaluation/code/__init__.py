"""Measured code generation: samples, contained runs, unbiased pass@k, and what choosing one sample is worth."""

from omniloom.evaluation.code.evaluation import CodeSettings as CodeSettings
from omniloom.evaluation.code.evaluation import evaluate_code as evaluate_code
from omniloom.evaluation.code.evaluation import judge as judge
from omniloom.evaluation.code.figures import draw as draw
from omniloom.evaluation.code.models import CodeModel as CodeModel
from omniloom.evaluation.code.models import EndpointCodeModel as EndpointCodeModel
from omniloom.evaluation.code.models import OmniCodeModel as OmniCodeModel
from omniloom.evaluation.code.models import Sample as Sample
from omniloom.evaluation.code.models import SampleRequest as SampleRequest
from omniloom.evaluation.code.passes import pass_at_k as pass_at_k
from omniloom.evaluation.code.ranking import BackScorer as BackScorer
from omniloom.evaluation.code.ranking import Judged as Judged
from omniloom.evaluation.code.report import CodeReport as CodeReport
from omniloom.evaluation.code.report import report_of as report_of
