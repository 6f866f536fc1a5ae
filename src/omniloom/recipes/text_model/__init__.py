"""A model of text alone, trained on examples of one's own in minutes; an ordinary checkpoint."""

from omniloom.recipes.text_model.recipe import TextModelRecipe as TextModelRecipe
from omniloom.recipes.text_model.recipe import finetune_text_model as finetune_text_model
from omniloom.recipes.text_model.recipe import text_shape as text_shape
from omniloom.recipes.text_model.recipe import text_weights as text_weights
from omniloom.recipes.text_model.recipe import train_text_model as train_text_model
