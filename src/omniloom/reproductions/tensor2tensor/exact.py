"""What holds to the number and needs no training: rates, sets, beam search, BLEU."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import cast

import torch
from torch import Tensor, nn

from omniloom.core.randomness import seeded
from omniloom.data.problems.pairs import pair_metrics
from omniloom.generation.beam import BeamSearch, beam_search, translate
from omniloom.models.seq2seq import Seq2SeqConfig, Seq2SeqTransformer, Seq2SeqVocabulary
from omniloom.models.seq2seq.config import EOS, PAD
from omniloom.reproductions.result import Row
from omniloom.training import Noam
from omniloom.training.seq2seq import HyperParameters, hparams

RATE_BAR = 1e-6
WARMUP, WIDTH = 8000, 512
RATES = {1: 1.2352647110032733e-07, WARMUP: 9.882117688026187e-04, 10 * WARMUP: 3.125e-04}
"""2 x 512^-0.5 x min(1, s / 8000) x max(s, 8000)^-0.5 at the steps, worked out apart from the code."""

SETS = {
    "transformer_base": (512, 2048, 8, 6, "n", "da", 0.1, 0.1, 0.1, 4096, 0.9, 0.997, 2.0, 8000),
    "transformer_big": (1024, 4096, 16, 6, "n", "da", 0.3, 0.1, 0.1, 2048, 0.9, 0.997, 2.0, 8000),
    "transformer_tiny": (128, 512, 4, 2, "n", "da", 0.1, 0.1, 0.1, 4096, 0.9, 0.997, 2.0, 8000),
    "transformer_base_v1": (512, 2048, 8, 6, "none", "dan", 0.1, 0.0, 0.0, 4096, 0.9, 0.98, 1.0, 4000),
}
"""Width, feed-forward, heads, layers, pre- and post-process, three dropouts, tokens, Adam's two, rate, warm-up."""

NUM_SOURCES, TOY_IDS, TOY_LENGTH = 40, 4, 5
"""Of the toy there are 1 + 3 + 9 + 27 + 81 finished targets, few enough to score each."""


def exact_rows() -> list[Row]:
    """One row a claim."""
    return [rate_row(), legacy_row(), *(set_row(name) for name in SETS), greedy_row(), exhaustive_row(), bleu_row()]


def rate_row() -> Row:
    schedule = Noam(constant=2.0, warmup_steps=WARMUP)
    error = max(abs(schedule.rate(step, width=WIDTH) / expected - 1) for step, expected in RATES.items())
    return Row(
        name="rate at steps 1, w, 10w",
        paper="2 d^-0.5 min(1, s/w) max(s, w)^-0.5",
        bar=f"relative error {RATE_BAR:g}",
        here=f"{error:.1e}",
        is_reached=error <= RATE_BAR,
    )


def legacy_row() -> Row:
    """The older form, written out here, beside the set's."""
    legacy = Noam.legacy(learning_rate=0.2, warmup_steps=WARMUP)
    error = 0.0
    for step in (0, 1, WARMUP - 1, WARMUP, 10 * WARMUP):
        other = 0.002 * 0.2 * 5000 * WIDTH**-0.5 * min((step + 1) * WARMUP**-1.5, (step + 1) ** -0.5)
        error = max(error, abs(legacy.rate(step, width=WIDTH) / other - 1))
    return Row(
        name="legacy rate",
        paper="0.002 lr 5000 d^-0.5 min((s+1) w^-1.5, (s+1)^-0.5)",
        bar=f"relative error {RATE_BAR:g}",
        here=f"{error:.1e}",
        is_reached=error <= RATE_BAR,
    )


def set_row(name: str) -> Row:
    found = numbers_of(hparams.get(name)())
    expected = SETS[name]
    is_same = found == expected
    shown = ", ".join(map(str, found))
    return Row(
        name=name,
        paper=", ".join(map(str, expected)),
        bar="equal",
        here="equal" if is_same else shown,
        is_reached=is_same,
    )


def numbers_of(own: HyperParameters) -> tuple[int | float | str, ...]:
    """A set's numbers in the order of `SETS`."""
    m = asdict(own.model)
    names = ("width", "hidden_width", "num_heads", "num_decoder_layers", "preprocess", "postprocess")
    dropouts = ("dropout", "attention_dropout", "relu_dropout")
    assert own.model.num_encoder_layers == own.model.num_decoder_layers and own.label_smoothing == 0.1
    return (
        *(m[name] for name in (*names, *dropouts)),
        own.batching.batch_tokens,
        own.optimizer.beta1,
        own.optimizer.beta2,
        own.schedule.constant,
        own.schedule.warmup_steps,
    )


def greedy_row() -> Row:
    """Beam search of one hypothesis beside taking the best id again and again, without any search."""
    model, sources = _toy(num_ids=12)
    found = [best.ids for (best,) in translate(model, sources, BeamSearch(size=1, extra_length=8))]
    same = sum(ids == greedy(model, source, extra_length=8) for ids, source in zip(found, sources, strict=True))
    return _all_row("beam of 1 is greedy", "turns to greedy decoding", same, len(sources))


def greedy(model: Seq2SeqTransformer, source: Sequence[int], *, extra_length: int) -> tuple[int, ...]:
    """The most probable id after those so far, the whole target read anew for each."""
    target: list[int] = []
    with torch.inference_mode():
        while len(target) < len(source) + extra_length:
            states = model(torch.tensor([list(source)]), torch.tensor([[*target, PAD]]))
            best = int(model.logits(states[0, -1]).argmax())
            if best == EOS:
                break
            target.append(best)
    return tuple(target)


def exhaustive_row() -> Row:
    """Beam search as wide as the toy has targets beside the best of all of them, each scored by itself."""
    same = 0
    for seed in range(NUM_SOURCES):
        table = torch.randn(TOY_IDS**TOY_LENGTH, TOY_IDS, generator=torch.Generator().manual_seed(seed))
        toy = _Toy(table.log_softmax(-1))
        search = BeamSearch(size=TOY_IDS ** (TOY_LENGTH - 1), alpha=0.6)
        ((best,),) = beam_search(toy, torch.tensor([PAD]), end_id=EOS, max_lengths=[TOY_LENGTH], search=search)
        ids, score = max(_all_targets(toy.row, search.penalty), key=lambda item: item[1])
        same += best.ids == ids and abs(best.score - score) < 1e-5
    return _all_row("beam search is exhaustive on a toy", "size 4, alpha 0.6", same, NUM_SOURCES)


def bleu_row() -> Row:
    from sacrebleu import corpus_bleu

    answers = ["the cat sat on a mat", "it ran", "Return ◊ if ◊ is set."]
    references = ["the cat sat on the mat", "it ran away", "Returns ◊ where ◊ is set."]
    score = pair_metrics.get("bleu")(answers, references)
    expected = corpus_bleu(answers, [references]).score
    return Row(
        name="BLEU",
        paper="sacrebleu's",
        bar="equal, signature shown",
        here=f"{score.value:.4f}, sacrebleu {expected:.4f}; {score.signature}",
        is_reached=score.value == expected and "tok:13a" in score.signature,
    )


def _all_row(name: str, paper: str, same: int, count: int) -> Row:
    return Row(name=name, paper=paper, bar=f"{count} of {count}", here=f"{same} of {count}", is_reached=same == count)


def _toy(*, num_ids: int) -> tuple[Seq2SeqTransformer, list[list[int]]]:
    """An untrained model whose targets differ and end, and sources of all lengths up to 12."""
    config = Seq2SeqConfig(width=32, hidden_width=32, num_heads=2, num_encoder_layers=1, num_decoder_layers=1)
    with seeded("toy", 0):
        model = Seq2SeqTransformer(config, Seq2SeqVocabulary(size=num_ids)).eval()
        with torch.no_grad():
            # Otherwise the ids of the softmax matrix, being those that enter, repeat themselves and never end.
            cast(nn.LayerNorm, model.decoder_end.norms[0]).weight.normal_()
        sources = [[*torch.randint(2, num_ids, (n % 12,)).tolist(), EOS] for n in range(NUM_SOURCES)]
    return model, sources


class _Toy:
    """Log probabilities that depend on all ids before: a row of a table for each target."""

    def __init__(self, table: Tensor) -> None:
        self.table = table
        self.states = torch.zeros(1, dtype=torch.long)
        self.has_begun = False

    def row(self, ids: Sequence[int]) -> Tensor:
        """What follows these ids."""
        state = 0
        for number in ids:
            state = self._next(state, number)
        return self.table[state]

    def step(self, ids: Tensor) -> Tensor:
        # The first ids are the start, which the state of no ids stands for.
        if self.has_begun:
            self.states = torch.tensor(
                [self._next(int(state), int(number)) for state, number in zip(self.states, ids, strict=True)]
            )
        self.has_begun = True
        return self.table[self.states]

    def reorder(self, rows: Tensor) -> None:
        self.states = self.states[rows]

    def _next(self, state: int, number: int) -> int:
        return (state * TOY_IDS + number + 1) % len(self.table)


def _all_targets(
    follow: Callable[[Sequence[int]], Tensor], penalty: Callable[[int], float]
) -> list[tuple[tuple[int, ...], float]]:
    """Every target that ends within the greatest length, with its score."""
    found = []
    others = [number for number in range(TOY_IDS) if number != EOS]
    for length in range(TOY_LENGTH):
        for ids in itertools.product(others, repeat=length):
            whole = (*ids, EOS)
            log_prob = sum(float(follow(whole[:place])[number]) for place, number in enumerate(whole))
            found.append((ids, log_prob / penalty(length + 1)))
    return found
