"""A Mimi of a few thousand random weights; the real one's shape in time: 24 kHz, frames of 1920 samples."""

from __future__ import annotations

from typing import Any

import torch


def small_model(*, seed: int = 0, **settings: Any) -> Any:
    """A `transformers.MimiModel` whose codebooks hold something: they are zeros until they are trained."""
    from transformers import MimiConfig, MimiModel

    config = MimiConfig(
        **{
            "num_filters": 4,
            "hidden_size": 16,
            "num_hidden_layers": 2,
            "intermediate_size": 32,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "codebook_size": 32,
            "codebook_dim": 8,
            "vector_quantization_hidden_dimension": 8,
            "num_quantizers": 6,
            "upsample_groups": 16,
            "sliding_window": 8,  # four frames, so that a second of sound is longer than what attention sees
            "layer_scale_initial_scale": 0.5,
            **settings,
        }
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = MimiModel(config)
        for name, buffer in model.named_buffers():
            if name.endswith("embed_sum"):
                buffer.normal_()
        with torch.no_grad():  # random convolutions amplify; this brings the sound back to about full scale
            model.decoder.decoder_seanet.layers[-1].conv.weight.mul_(0.03)
    return model
