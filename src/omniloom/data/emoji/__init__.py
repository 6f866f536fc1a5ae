"""Some two hundred emoji with plain names: their pictures, shown and drawn, and a reader of them."""

from omniloom.data.emoji.reader import read_drawing as read_drawing
from omniloom.data.emoji.reader import read_sticker as read_sticker
from omniloom.data.emoji.stickers import CORNERS as CORNERS
from omniloom.data.emoji.stickers import FORMS as FORMS
from omniloom.data.emoji.stickers import Drawing as Drawing
from omniloom.data.emoji.stickers import Sticker as Sticker
from omniloom.data.emoji.stickers import describe_drawing as describe_drawing
from omniloom.data.emoji.stickers import draw as draw
from omniloom.data.emoji.stickers import random_sticker as random_sticker
from omniloom.data.emoji.stickers import render_sticker as render_sticker
from omniloom.data.emoji.stickers import training_picture as training_picture
from omniloom.data.emoji.table import EMOJI as EMOJI
from omniloom.data.emoji.table import NAMES as NAMES
from omniloom.data.emoji.table import Emoji as Emoji
