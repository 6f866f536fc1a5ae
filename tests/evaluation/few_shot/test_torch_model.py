"""A torch model of text: batched equals alone, cached equals whole, and a prefix is computed once for its options."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from transformers import LlamaForCausalLM

from omniloom.evaluation.few_shot import ScoreRequest, TorchLanguageModel, WriteRequest, evaluate_few_shot
from omniloom.evaluation.few_shot.models.causal_rows import CausalModel

END = 256


class Bytes:
    """A byte is a token."""

    def encode(self, text: str) -> list[int]:
        return list(text.encode())

    def decode(self, ids: Any) -> str:
        return bytes(token for token in ids if token < END).decode(errors="replace")


class Pairs(Bytes):
    """As `Bytes`, but ": " is one token, so a continuation may begin within a token of the whole text."""

    PAIR = 257

    def encode(self, text: str) -> list[int]:
        parts = [list(part.encode()) for part in text.split(": ")]
        found = parts[0]
        for part in parts[1:]:
            found += [self.PAIR, *part]
        return found

    def decode(self, ids: Any) -> str:
        return "".join(": " if token == self.PAIR else Bytes().decode([token]) for token in ids)


@pytest.fixture(scope="module")
def network() -> nn.Module:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=258,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=512,
        initializer_range=0.3,
    )
    return LlamaForCausalLM(config).eval()


class Counted(nn.Module):
    """Counts the tokens that go through a network, without those that only fill a row up."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.num_tokens = network, 0

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        position_ids: torch.Tensor,
        past_key_values: Any,
        use_cache: bool,
    ) -> Any:
        self.num_tokens += int(attention_mask[:, -input_ids.shape[1] :].sum())
        return self.network(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            use_cache=use_cache,
        )


def model(network: nn.Module, tokens: Any = None, **settings: Any) -> TorchLanguageModel:
    return TorchLanguageModel(network, tokens or Bytes(), context=512, **settings)


@torch.no_grad()
def whole_logprob(network: nn.Module, prefix: list[int], rest: list[int]) -> float:
    """Of one row, computed as a whole."""
    logits = network(torch.tensor([prefix + rest])).logits[0].log_softmax(-1)
    return float(sum(logits[len(prefix) - 1 + place, token] for place, token in enumerate(rest)))


REQUESTS = [
    ScoreRequest("Q: 1 + 1?\nA:", (" 2", " three", " x")),
    ScoreRequest("a", (" longer continuation than others", "b")),
    ScoreRequest("the cat sat on the", (" mat", " roof", " mat again", " m")),
]


def test_a_cached_prefix_gives_what_whole_rows_give(network: nn.Module) -> None:
    found = dict(model(network).score(REQUESTS))
    for place, request in enumerate(REQUESTS):
        for own, text in zip(found[place], request.continuations, strict=True):
            rest = list(text.encode())
            expected = whole_logprob(network, list(request.prefix.encode()), rest)
            assert own[:2] == (pytest.approx(expected, abs=1e-4), len(rest))


def test_batched_equals_alone(network: nn.Module) -> None:
    together = dict(model(network).score(REQUESTS))
    alone = {place: dict(model(network).score([own]))[0] for place, own in enumerate(REQUESTS)}
    in_small = dict(model(network, batch_tokens=1).score(REQUESTS))
    for found in (alone, in_small):
        for place, own in together.items():
            assert [item.logprob for item in found[place]] == pytest.approx([item.logprob for item in own], abs=1e-4)


def test_a_prefix_is_computed_once_for_all_of_its_options(network: nn.Module) -> None:
    counted = Counted(network)
    dict(model(counted).score(REQUESTS))
    # A continuation's last token is predicted and never read.
    expected = sum(len(own.prefix) + sum(len(text) - 1 for text in own.continuations) for own in REQUESTS)
    assert counted.num_tokens == expected
    assert expected < sum(len(own.prefix + text) for own in REQUESTS for text in own.continuations) / 2


def logprobs(own: TorchLanguageModel) -> list[float]:
    return [item.logprob for _, found in sorted(own.score(REQUESTS)) for item in found]


def test_options_in_a_pack_score_as_rows_of_their_own(network: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    assert CausalModel(network).packs
    packed = model(network)
    found = logprobs(packed)
    monkeypatch.setattr(CausalModel, "packs", False)
    in_rows = model(network)
    assert found == pytest.approx(logprobs(in_rows), abs=1e-4)
    assert (packed.count.asked, packed.count.computed) == (in_rows.count.asked, in_rows.count.computed)


def test_a_model_that_sees_no_further_than_a_window_takes_no_packs() -> None:
    from transformers import MistralConfig, MistralForCausalLM

    torch.manual_seed(5)
    sizes = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2)
    config = MistralConfig(vocab_size=258, num_key_value_heads=1, sliding_window=6, initializer_range=0.3, **sizes)
    windowed = MistralForCausalLM(config).eval()
    assert not CausalModel(windowed).packs
    expected = [
        whole_logprob(windowed, list(own.prefix.encode()), list(text.encode()))
        for own in REQUESTS
        for text in own.continuations
    ]
    assert logprobs(model(windowed)) == pytest.approx(expected, abs=1e-4)


class Inattentive(LlamaForCausalLM):
    """Lets every token see all that is before it, whatever the mask says of four axes."""

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values: Any = None,
        use_cache: bool = False,
    ) -> Any:
        return super().forward(
            input_ids=input_ids,
            attention_mask=attention_mask if attention_mask is not None and attention_mask.ndim == 2 else None,
            position_ids=position_ids,
            past_key_values=past_key_values,
            use_cache=use_cache,
        )


def test_what_does_not_heed_the_mask_is_found_out(network: nn.Module) -> None:
    inattentive = Inattentive(network.config).eval()
    inattentive.load_state_dict(network.state_dict())
    assert not CausalModel(inattentive).packs
    assert not CausalModel(Counted(network)).packs


def test_a_token_over_the_end_of_the_prefix_belongs_to_the_continuation(network: nn.Module) -> None:
    found = dict(model(network, Pairs()).score([ScoreRequest("A:", (" b", "b"))]))[0]
    assert found[0][:2] == (pytest.approx(whole_logprob(network, [65], [Pairs.PAIR, 98]), abs=1e-4), 2)
    assert found[1][:2] == (pytest.approx(whole_logprob(network, [65], [58, 98]), abs=1e-4), 2)


@torch.no_grad()
def greedy(network: nn.Module, ids: list[int], count: int) -> list[int]:
    written: list[int] = []
    while len(written) < count:
        token = int(network(torch.tensor([ids + written])).logits[0, -1].argmax())
        if token == END:
            break
        written.append(token)
    return written


def test_what_is_written_is_the_likeliest_at_every_place_up_to_a_stop(network: nn.Module) -> None:
    prefixes = ["Q: 1 + 1?\nA:", "x", "the cat sat on the"]
    own = model(network, start_ids=(1,), end_ids=(END,))
    found = dict(own.write([WriteRequest(prefix, (), 9) for prefix in prefixes]))
    expected = [greedy(network, [1, *prefix.encode()], 9) for prefix in prefixes]
    # A byte that is no character by itself is read with what stands before it.
    assert [found[place] for place in range(3)] == [
        Bytes().decode([prefix.encode()[-1], *ids])[1:] for prefix, ids in zip(prefixes, expected, strict=True)
    ]
    text = found[0]
    (stopped,) = dict(own.write([WriteRequest(prefixes[0], (text[3:5], "never"), 9)])).values()
    assert stopped == text[: text.index(text[3:5])]


def test_what_cannot_be_scored_is_refused(network: nn.Module) -> None:
    with pytest.raises(ValueError, match="cannot be scored: there is nothing before it"):
        dict(model(network).score([ScoreRequest("", ("a",))]))
    assert dict(model(network, start_ids=(1,)).score([ScoreRequest("", ("a",))]))
    with pytest.raises(ValueError, match="forward takes no attention_mask, input_ids"):
        model(nn.Linear(2, 2))


def test_its_name_changes_with_its_weights(network: nn.Module) -> None:
    before = model(network).name
    assert before == model(network).name
    other = Counted(network)
    assert model(other).name != before


def test_a_run_from_end_to_end(network: nn.Module) -> None:
    report = evaluate_few_shot(model(network), ["novel-words", "1DC"], shots=(0, 1), limit=3)
    assert [(row.task, row.n) for row in report.rows] == [("novel-words", 3)] * 2 + [("1DC", 3)] * 2
