"""Four words to learn, and the smallest recipe that learns them in about a second."""

from __future__ import annotations

from omniloom.data.texts import TextExample
from omniloom.recipes.text_model import TextModelRecipe, text_shape, text_weights
from omniloom.training import AdamW, TrainingConfig, WarmupStableDecay

WORDS = {"cat": " gato", "dog": " perro", "bird": " pajaro", "fish": " pez"}
EXAMPLES = [TextExample(prompt=english, reply=spanish) for english, spanish in WORDS.items()]
TINY = TextModelRecipe(
    vocab_size=280,
    model=text_shape(1, num_heads=1, context=64),
    training=TrainingConfig(
        num_steps=40,
        row_length=64,
        num_rows=2,
        optimizer=AdamW(rate=1e-2),
        schedule=WarmupStableDecay(warmup_steps=2),
        weights=text_weights(),
        compile=False,
        tensorboard=False,
    ),
)
