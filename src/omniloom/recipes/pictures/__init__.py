"""Pictures from words: DALL·E in miniature, and rerankers."""

from omniloom.recipes.pictures.dall_e import DallERecipe as DallERecipe
from omniloom.recipes.pictures.dall_e import train_dall_e as train_dall_e
from omniloom.recipes.pictures.world import WorldRerankerRecipe as WorldRerankerRecipe
from omniloom.recipes.pictures.world import train_world_reranker as train_world_reranker
