"""The words that replies are made of: a closed list in each language, and numbers written in it.

The lists are closed so that speech out can be judged word by word by a recogniser that knows exactly these words
(`listener`), and so that each word's sound is learned often. The everyday words were taken for sounding unlike
one another and unlike the rest of the list; homophones ("four", "for") were left out, for no ear tells them apart. The
agreement of French adjectives and "know" bring a few back: those are one word to the ear (`HOMOPHONES`).
"""

from __future__ import annotations

from typing import Literal

Language = Literal["en", "fr"]
LANGUAGES: tuple[Language, ...] = ("en", "fr")

SIZE_WORDS = ("small", "big")
COLOUR_WORDS = ("red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink", "brown", "black")
SHAPE_WORDS = ("circle", "square", "triangle", "diamond", "star", "cross", "ring", "heart")
POSITION_WORDS = ("top", "bottom", "left", "right")

DIGIT_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TEEN_WORDS = (
    "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
TENS_WORDS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
MINUS_WORD = "minus"

ANSWER_WORDS = ("yes", "no", "and", "nothing")
EVERYDAY_WORDS = (
    "apple", "river", "window", "garden", "monkey", "music", "paper", "summer", "coffee", "dragon", "engine", "forest",
    "guitar", "honey", "island", "jacket", "kitchen", "lemon", "mountain", "ocean", "pocket", "rabbit", "tiger",
    "village", "water", "house", "bridge", "cloud",
)  # fmt: skip

SOUND_WORDS = ("beep", "bell", "drum", "whistle")
"""What else than speech is heard in films."""
SENTENCE_WORDS = ("plus", "is", "goes", "then", "i", "know", "shapes", "sums", "digits", "emoji")
"""Words of whole answers: of films, of sums, and of the answer to what is not known."""
EMOJI_WORDS = (
    "dog", "cat", "wolf", "fox", "lion", "horse", "zebra", "cow", "pig", "goat", "camel", "giraffe", "elephant",
    "mouse", "bear", "koala", "panda", "chicken", "penguin", "duck", "owl", "frog", "turtle", "snake", "whale",
    "dolphin", "octopus", "snail", "butterfly", "spider", "cactus", "mushroom", "grapes", "melon", "mango", "cherries",
    "strawberry", "tomato", "potato", "onion", "bread", "pretzel", "hamburger", "taco", "egg", "popcorn", "cookie",
    "train", "bus", "tractor", "rocket", "anchor", "bicycle", "umbrella", "rainbow", "fire", "balloon", "trophy",
    "crown", "scissors", "key", "robot", "ghost", "skull",
)  # fmt: skip
"""Names of the emoji that are named aloud, beside those that are everyday words already."""

PHRASE_WORDS: tuple[str, ...] = (
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
    *SOUND_WORDS,
)
"""The words that phrases without meaning are drawn from: enough to be told apart, few enough to be learned soon."""

REPLY_WORDS: tuple[str, ...] = (*PHRASE_WORDS, *SENTENCE_WORDS, *EMOJI_WORDS)
"""Every word that a spoken English reply may hold."""

FRENCH_SIZE_WORDS = ("petit", "petite", "grand", "grande")
FRENCH_COLOUR_WORDS = (
    "rouge", "orange", "jaune", "vert", "verte", "turquoise", "bleu", "bleue", "violet", "violette", "rose", "marron",
    "noir", "noire",
)  # fmt: skip
FRENCH_SHAPE_WORDS = ("cercle", "carré", "triangle", "losange", "étoile", "croix", "anneau", "coeur")
FRENCH_POSITION_WORDS = ("en", "haut", "bas", "à", "gauche", "droite")
FRENCH_ANSWER_WORDS = ("et", "oui", "non", "rien")
FRENCH_NUMBER_WORDS = (
    "zéro", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf", "dix", "onze", "douze",
)  # fmt: skip
FRENCH_EVERYDAY_WORDS = (
    "maison", "rivière", "jardin", "papillon", "fromage", "montagne", "cheval", "bateau", "lumière", "soleil",
    "fenêtre", "oiseau",
)  # fmt: skip
FRENCH_SENTENCE_WORDS = ("je", "connais", "les", "formes", "nombres", "images")

FRENCH_PHRASE_WORDS: tuple[str, ...] = (
    "petite", "grande", "rouge", "orange", "jaune", "verte", "turquoise", "bleu", "violette", "rose", "marron", "noir",
    *FRENCH_SHAPE_WORDS,
    "haut",
    "bas",
    "gauche",
    "droite",
    "oui",
    "non",
    "rien",
    *FRENCH_NUMBER_WORDS,
    *FRENCH_EVERYDAY_WORDS,
)  # fmt: skip
"""Of each adjective the form that sounds the same before any word: "petit étoile" would be heard as "petite étoile"."""

REPLY_WORDS_IN: dict[str, tuple[str, ...]] = {
    "en": REPLY_WORDS,
    "fr": (
        *FRENCH_SIZE_WORDS,
        *FRENCH_COLOUR_WORDS,
        *FRENCH_SHAPE_WORDS,
        *FRENCH_POSITION_WORDS,
        *FRENCH_ANSWER_WORDS,
        *FRENCH_NUMBER_WORDS,
        *FRENCH_EVERYDAY_WORDS,
        *FRENCH_SENTENCE_WORDS,
    ),
}
"""Every word that a spoken reply may hold, by language."""

PHRASE_WORDS_IN: dict[str, tuple[str, ...]] = {"en": PHRASE_WORDS, "fr": FRENCH_PHRASE_WORDS}

HOMOPHONES = {"know": "no", "bleue": "bleu", "noire": "noir", "bas": "à"}
"""Spellings that sound like another one: the one that stands for both wherever speech is judged.

"bas" is not quite one: the listener takes the assistant's for "à" after "en", whatever is done to its first sound, and
spoken descriptions came out right in 47 of 100 for that alone. They lose nothing by it: where "bas" stands, only "haut"
could stand instead, which sounds like neither.
"""

HEARD_WORDS: tuple[str, ...] = tuple(
    dict.fromkeys(word for words in REPLY_WORDS_IN.values() for word in words if word not in HOMOPHONES)
)
"""Every word that the listener tells apart; a spelling that both languages have is one word to it."""

LARGEST_NUMBER = 99


def number_words(number: int) -> str:
    """A whole number between -99 and 99 in reply words: 12 is "twelve", 31 "thirty one", -4 "minus four"."""
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


def heard_as(text: str) -> str:
    """The words of a text as an ear spells them: of homophones, the one that stands for all."""
    return " ".join(HOMOPHONES.get(word, word) for word in text.split())


def words_of(language: str, heard: tuple[str, ...]) -> tuple[str, ...]:
    """The reply words of a language that sound like one of `heard`."""
    known = set(heard)
    return tuple(word for word in REPLY_WORDS_IN[language] if HOMOPHONES.get(word, word) in known)
