"""The words that replies are made of: a closed list, and numbers written in it.

The list is closed so that speech out can be judged word by word by a recogniser that knows exactly these words
(`listener`), and so that each word's sound is learned often. The everyday words were taken for sounding unlike
one another and unlike the rest of the list; homophones ("four", "for") were left out, for no ear tells them apart.
"""

from __future__ import annotations

SIZE_WORDS = ("small", "big")
COLOUR_WORDS = ("red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink", "brown", "black")
SHAPE_WORDS = ("circle", "square", "triangle", "diamond", "star", "cross", "ring", "heart")
POSITION_WORDS = ("top", "bottom", "left", "right")

DIGIT_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TEEN_WORDS = (
    "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
TENS_WORDS = ("twenty", "thirty", "forty")
MINUS_WORD = "minus"

ANSWER_WORDS = ("yes", "no", "and", "nothing")
EVERYDAY_WORDS = (
    "apple", "river", "window", "garden", "monkey", "music", "paper", "summer", "coffee", "dragon", "engine", "forest",
    "guitar", "honey", "island", "jacket", "kitchen", "lemon", "mountain", "ocean", "pocket", "rabbit", "tiger",
    "village", "water", "house", "bridge", "cloud",
)  # fmt: skip

REPLY_WORDS: tuple[str, ...] = (
    *SIZE_WORDS,
    *COLOUR_WORDS,
    *SHAPE_WORDS,
    *POSITION_WORDS,
    *ANSWER_WORDS,
    *DIGIT_WORDS,
    *TEEN_WORDS,
    *TENS_WORDS,
    MINUS_WORD,
    *EVERYDAY_WORDS,
)
"""Every word that a spoken reply may hold."""

LARGEST_NUMBER = 49


def number_words(number: int) -> str:
    """A whole number between -49 and 49 in reply words: 12 is "twelve", 31 "thirty one", -4 "minus four"."""
    if not -LARGEST_NUMBER <= number <= LARGEST_NUMBER:
        raise ValueError(f"number must be between -{LARGEST_NUMBER} and {LARGEST_NUMBER}, got {number}")
    if number < 0:
        return f"{MINUS_WORD} {number_words(-number)}"
    if number < 10:
        return DIGIT_WORDS[number]
    if number < 20:
        return TEEN_WORDS[number - 10]
    tens, ones = TENS_WORDS[number // 10 - 2], number % 10
    return f"{tens} {DIGIT_WORDS[ones]}" if ones else tens
