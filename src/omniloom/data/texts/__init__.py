"""Plain texts to learn from: examples of a prompt and its reply, and the dataset that packs them."""

from omniloom.data.texts.dataset import TextDataset as TextDataset
from omniloom.data.texts.example import TextExample as TextExample
from omniloom.data.texts.example import examples_of as examples_of
from omniloom.data.texts.example import fingerprint_of as fingerprint_of
