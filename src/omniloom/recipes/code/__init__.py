"""A small model of code: the standard library's source, then functions; and the model that describes code."""

from omniloom.recipes.code.recipe import CodeRecipe as CodeRecipe
from omniloom.recipes.code.recipe import train_code as train_code
