"""A model of pairs as programs of torch alone, which another project runs without a line of ours.

`encoder.pt2` makes sources into states, `decoder.pt2` scores every next id of targets: what a loop of greedy or beam
decoding needs. Both take any number of rows of any length. With them lie the weights, the vocabulary (`tokenizers`
reads its subwords) and a note of how they are called. One program of both was rejected: it would read the source again
at each step.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import torch
from jaxtyping import Bool, Float, Int
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.export import Dim, export, save

from omniloom.core.checkpoint import write_folder
from omniloom.generation.pairs.checkpoint import PairCheckpoint, load_pairs
from omniloom.models.seq2seq import Memory, Seq2SeqTransformer

ENCODER, DECODER, NOTE = "encoder.pt2", "decoder.pt2", "README.md"
MAX_ROWS, MAX_LENGTH = 4096, 4096


class Encoder(nn.Module):
    """Sources, each with its end id and padded with 0, to states."""

    def __init__(self, model: Seq2SeqTransformer) -> None:
        super().__init__()
        self.model = model

    def forward(self, source: Int[Tensor, "B S"]) -> tuple[Float[Tensor, "B S D"], Bool[Tensor, "B 1 1 S"]]:
        states, visible = self.model.encode(source)
        return states, visible


class Decoder(nn.Module):
    """Scores of what follows each target's last id; a target begins with 0."""

    def __init__(self, model: Seq2SeqTransformer) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, states: Float[Tensor, "B S D"], visible: Bool[Tensor, "B 1 1 S"], target: Int[Tensor, "B T"]
    ) -> Float[Tensor, "B V"]:
        x = self.model.embed_target(target, first=0)
        for block in self.model.decoder:
            x = block(x, states, visible)
        return self.model.logits(self.model.decoder_end(x)[:, -1])


def export_pairs(checkpoint: Path, *, out: Path, user_file: Path | None = None) -> Path:
    """Write a checkpoint's model as exported programs.

    Raises:
        ValueError: If it is no checkpoint of the reference Transformer.
    """
    kept = load_pairs(checkpoint, user_file=user_file)
    if not isinstance(kept.model, Seq2SeqTransformer):
        raise ValueError(f"{checkpoint} holds a {kept.model_name}; only the transformer is exported")
    encoder, decoder = exported(kept.model)

    def write(path: Path) -> None:
        save(encoder, path / ENCODER)
        save(decoder, path / DECODER)
        weights = {name: tensor.contiguous() for name, tensor in cast(Any, kept.model).state_dict().items()}
        save_file(weights, str(path / "model.safetensors"))
        vocabulary = json.dumps(kept.encoders.to_json(), ensure_ascii=False, indent=1)
        (path / "vocabulary.json").write_text(vocabulary + "\n", encoding="utf-8")
        (path / NOTE).write_text(_note(kept), encoding="utf-8")

    return write_folder(out, write)


def exported(model: Seq2SeqTransformer) -> tuple[torch.export.ExportedProgram, torch.export.ExportedProgram]:
    """The encoder and the decoder as programs over any number of rows and any lengths."""
    model = model.eval()
    rows, length, grown = Dim("rows", max=MAX_ROWS), Dim("length", max=MAX_LENGTH), Dim("grown", max=MAX_LENGTH)
    source = torch.tensor([[2, 2, 2, 2, 1], [2, 2, 1, 0, 0], [2, 1, 0, 0, 0]])
    target = torch.tensor([[0, 2, 2, 2], [0, 2, 2, 2], [0, 2, 2, 2]])
    with torch.no_grad():
        memory: Memory = model.encode(source)
        encoder = export(Encoder(model), (source,), dynamic_shapes=({0: rows, 1: length},))
        shapes = ({0: rows, 1: length}, {0: rows, 3: length}, {0: rows, 1: grown})
        decoder = export(Decoder(model), (memory.states, memory.visible, target), dynamic_shapes=shapes)
    return encoder, decoder


def _note(checkpoint: PairCheckpoint) -> str:
    return (
        f"# {checkpoint.model_name} on {checkpoint.problem}, exported\n\n"
        "```python\n"
        "import torch\n\n"
        f'encoder = torch.export.load("{ENCODER}").module()\n'
        f'decoder = torch.export.load("{DECODER}").module()\n'
        "states, visible = encoder(source)          # ids of `vocabulary.json`, each row ends with 1, padded with 0\n"
        "scores = decoder(states, visible, target)  # of what follows; a target begins with 0 and ends before 1\n"
        "```\n"
    )
