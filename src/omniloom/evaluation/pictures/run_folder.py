"""The parts of a `dall-e` run, as they are measured together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from omniloom.codecs.base import fingerprint
from omniloom.codecs.image.dvae import DiscreteVAE
from omniloom.evaluation.pictures.judge import Judge
from omniloom.generation.pictures import PictureModel
from omniloom.generation.pictures.model import RUN_PLACE
from omniloom.generation.rerank import Reranker

DVAE, FSQ, DRAWING, RERANKER, CLASSIFIER = "dvae", "fsq", "drawing", "reranker", "classifier"
PLACES = {
    DVAE: "dvae/codec",
    FSQ: "fsq/codec",
    DRAWING: RUN_PLACE,
    RERANKER: "reranker/model",
    CLASSIFIER: "classifier/model",
}
"""Where a run keeps each of its parts."""


@dataclass(frozen=True)
class PictureRun:
    """What was trained: two codecs, what draws, what ranks, what judges."""

    dvae: DiscreteVAE
    fsq: DiscreteVAE
    model: PictureModel
    reranker: Reranker
    judge: Judge

    @classmethod
    def load(cls, folder: str | Path) -> PictureRun:
        """Read a run.

        Raises:
            ValueError: If a part is missing, torn, or something else.
        """
        folder = Path(folder)
        missing = [place for place in PLACES.values() if not (folder / place).is_dir()]
        if missing:
            raise ValueError(
                f"{folder} holds no whole dall-e run: {', '.join(missing)} missing; "
                f"finish it with omniloom train dall-e --out {folder} --resume"
            )
        return cls(
            DiscreteVAE.load(folder / PLACES[DVAE]),
            DiscreteVAE.load(folder / PLACES[FSQ]),
            PictureModel.load(folder / PLACES[DRAWING]),
            Reranker.load(folder / PLACES[RERANKER]),
            Judge.load(folder / PLACES[CLASSIFIER]),
        )

    @property
    def fingerprint(self) -> str:
        """Of all that a score depends on."""
        networks = {"stream": self.model.stream, "reranker": self.reranker.network, "judge": self.judge.network}
        networks |= {DVAE: self.dvae, FSQ: self.fsq}
        state = {f"{name}.{key}": value for name, own in networks.items() for key, value in own.state_dict().items()}
        return fingerprint({}, state)
