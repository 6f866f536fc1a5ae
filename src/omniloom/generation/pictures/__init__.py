"""Pictures from words by the stream that was made for them."""

from omniloom.generation.pictures.model import PictureModel as PictureModel
from omniloom.generation.pictures.model import find_picture_model as find_picture_model
from omniloom.generation.pictures.model import is_picture_model as is_picture_model
