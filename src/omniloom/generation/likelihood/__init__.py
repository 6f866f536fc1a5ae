"""How likely given replies are."""

from omniloom.generation.likelihood.feeding import Feeder as Feeder
from omniloom.generation.likelihood.replies import ReplyLikelihood as ReplyLikelihood
from omniloom.generation.likelihood.replies import reply_likelihoods as reply_likelihoods
from omniloom.generation.likelihood.replies import reply_token_scores as reply_token_scores
