"""Everyday words by what they are, for mappings that put a label on a class of them."""

from __future__ import annotations

CLASSES: dict[str, tuple[str, ...]] = {
    "animal": ("lion", "horse", "mouse", "goat", "tiger", "sheep", "wolf", "camel", "otter", "zebra"),
    "colour": ("red", "green", "blue", "yellow", "purple", "orange", "brown", "black", "white", "grey"),
    "food": ("bread", "cheese", "soup", "rice", "butter", "honey", "salad", "pasta", "cake", "jam"),
    "tool": ("hammer", "saw", "drill", "wrench", "shovel", "axe", "pliers", "chisel", "rake", "ladder"),
    "body": ("arm", "leg", "nose", "knee", "elbow", "thumb", "ankle", "chin", "shoulder", "heel"),
    "clothes": ("shirt", "coat", "scarf", "glove", "sock", "boot", "skirt", "belt", "jacket", "apron"),
    "weather": ("rain", "snow", "fog", "storm", "hail", "frost", "wind", "thunder", "sleet", "mist"),
    "vehicle": ("car", "bus", "train", "truck", "boat", "plane", "tram", "bicycle", "ferry", "taxi"),
}
"""Each word has one class."""
