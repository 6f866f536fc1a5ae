"""Choose among candidates: a contrastive model that tells how well a picture fits its caption."""

from omniloom.generation.rerank.best_of import Ranked as Ranked
from omniloom.generation.rerank.best_of import best_of as best_of
from omniloom.generation.rerank.best_of import best_reply as best_reply
from omniloom.generation.rerank.grid import grid_of as grid_of
from omniloom.generation.rerank.reranker import Reranker as Reranker
