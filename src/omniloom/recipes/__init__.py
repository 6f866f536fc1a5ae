"""Named, complete run configurations; where parts meet."""

from omniloom.recipes.catalogue import CODECS as CODECS
from omniloom.recipes.catalogue import CodecRecipe as CodecRecipe
from omniloom.recipes.catalogue import Recipe as Recipe
from omniloom.recipes.catalogue import codec_recipe as codec_recipe
from omniloom.recipes.catalogue import recipes as recipes
