"""The tiny recipe at other sizes, and what a size takes before anyone starts it.

Codecs, data and stages are tiny's; depth, rows and steps differ. Tokens follow Hoffmann et al. 2022, about 20 a
parameter. Neither has been trained yet: rates and weights of the loss are tiny's. The generated world holds less than
these can learn, so add your own conversations: `--set mix.chat_files.folder=my_chats`.
"""

from __future__ import annotations

from omniloom.codecs.audio import AudioCodec
from omniloom.codecs.image import ImageCodec
from omniloom.core.progress import clock
from omniloom.models import OmniConfig, OmniModel
from omniloom.recipes.tiny import TinyRecipe
from omniloom.stream.vocabulary import CodecSpec, Plane, Vocabulary
from omniloom.training import LossWeights, TrainingConfig
from omniloom.training.estimate import Memory, block_matrices, flops_per_token, measured_flops_per_second, memory

TOKENS_PER_EXAMPLE = 69
"""Positions, the mean of 90,112 examples of the world by task, weighed as the recipe draws them."""


def small() -> TinyRecipe:
    """96 M parameters on one GPU of 40 GB."""
    return TinyRecipe(
        num_examples=4_194_304,
        model=OmniConfig.from_depth(19),
        training=TrainingConfig(
            num_steps=28_000,
            row_length=1024,
            num_rows=32,
            accumulate=2,
            weights=LossWeights(reply_text=2.0, prompt_audio=0.01),
            autocast=True,
        ),
        num_processes=8,
    )


def base() -> TinyRecipe:
    """1.10 B parameters on eight GPUs of 80 GB, sharded."""
    return TinyRecipe(
        num_examples=16_777_216,
        model=OmniConfig.from_depth(40),
        training=TrainingConfig(
            num_steps=41_000,
            row_length=1024,
            num_rows=128,
            accumulate=4,
            weights=LossWeights(reply_text=2.0, prompt_audio=0.01),
            autocast=True,
            parallel="fsdp2",
        ),
        num_processes=32,
    )


def plan(recipe: TinyRecipe, *, num_processes: int, tokens_per_second: float | None = None) -> str:
    """What the training stage will take, as lines of text; the rate is measured here where none is given."""
    import torch

    c, vocabulary = recipe.training, vocabulary_of(recipe)
    with torch.device("meta"):
        num_parameters = OmniModel(recipe.model, vocabulary).num_parameters
    each = flops_per_token(recipe.model, vocabulary_size=vocabulary.size, row_length=c.row_length)
    num_tokens = c.num_steps * c.tokens_per_step
    if tokens_per_second is None:
        tokens_per_second = num_processes * measured_flops_per_second(recipe.model, c, vocabulary) / each
        device = torch.cuda.get_device_name() if torch.cuda.is_available() else "this CPU"
        source = f"measured now on {device}: one block, not compiled" + ", times the processes" * (num_processes > 1)
    else:
        source = "as given"
    held = memory(
        recipe.model, c, num_parameters=num_parameters, vocabulary_size=vocabulary.size, num_processes=num_processes
    )
    seen = num_tokens / (recipe.num_examples * TOKENS_PER_EXAMPLE)
    many = f"{num_processes} processes, {c.parallel}" if num_processes > 1 else "1 process"
    lines = {
        "parameters": f"{num_parameters:,}, of them {block_matrices(recipe.model):,} in the blocks",
        "tokens": f"{num_tokens:,} in steps of {c.tokens_per_step:,}: {num_tokens / num_parameters:.1f} a parameter",
        "data": f"{recipe.num_examples:,} examples, each seen about {seen:.1f} times",
        "compute": f"{each / 1e9:.3g} GFLOP a token, {each * num_tokens:.2g} FLOP in all",
        "memory": f"{_memory_text(held)}; of each of {many}" if num_processes > 1 else _memory_text(held),
        "time": f"{clock(num_tokens / tokens_per_second)} at {tokens_per_second:,.0f} tokens/s ({source})",
    }
    return "".join(f"# {name:<10} {text}\n" for name, text in lines.items())


def vocabulary_of(recipe: TinyRecipe) -> Vocabulary:
    """The vocabulary of the codecs that the recipe will train; untrained ones have the same planes."""
    planes = (Plane(name="text", size=recipe.text.vocab_size),)
    text = CodecSpec(modality="text", planes=planes, fingerprint="")
    return Vocabulary([text, AudioCodec(recipe.audio.codec).spec, ImageCodec(recipe.image.codec).spec])


def _memory_text(held: Memory) -> str:
    parts = {"weights": held.weights, "gradients": held.gradients, "optimizer": held.optimizer}
    parts |= {"gathered": held.gathered, "activations": held.activations}
    shown = ", ".join(f"{name} {_bytes(number)}" for name, number in parts.items())
    return f"{_bytes(held.total)}: {shown}"


def _bytes(number: float) -> str:
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{number / 1e6:.0f} MB"
