"""A small model of text that learns mappings from its prompt: GPT-3's headline in miniature."""

from omniloom.recipes.meta.recipe import MetaRecipe as MetaRecipe
from omniloom.recipes.meta.recipe import large as large
from omniloom.recipes.meta.recipe import small as small
from omniloom.recipes.meta.recipe import train_meta as train_meta
