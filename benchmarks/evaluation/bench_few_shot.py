"""How much faster tasks are evaluated than by asking the same model one prompt at a time.

    python benchmarks/evaluation/bench_few_shot.py [--items N] [--shots K] [--json FILE] [--quick]

The model is a causal one of transformers of the size given below; its weights are random, which takes the same time.
Its peer computes each prompt with each of its options as one row by itself, and writes answers one after another; ours
shares what the options of an item have in common, and takes many items at once. Both give the same answers, which is
checked. Tokens a second are those of all prompts with their options, however often they are computed, so the ratio is
that of the times. Beside it stand the tokens that were asked and those that went through the model for them.

The shipped model is asked through the same interface, one request and one option at a time against all together, and
with several samples of each prompt. Demonstrations that are the same for all items, and samples of one prompt, are
computed once. Where items have nothing in common, as demonstrations drawn anew for each ("own shots"), their prompts
must be read whoever asks, and a prompt by itself is read at full speed. "at most" is what remains to be gained there:
the time of one at a time over that of reading the prompts alone. Where it is below the bar, no batching reaches it.

Ends with 1 where a row is below its bar.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from omniloom import Omni, Sampling
from omniloom.evaluation.few_shot import (
    OmniLanguageModel,
    ScoreRequest,
    TorchLanguageModel,
    WriteRequest,
    few_shot_tasks,
    make_prompt,
)
from omniloom.generation import TextRules

BAR = 3.0
"""Times as many tokens a second."""

VOCAB_SIZE = 257


class Bytes:
    """A byte is a token."""

    def encode(self, text: str) -> list[int]:
        return list(text.encode())

    def decode(self, ids: Any) -> str:
        return bytes(min(token, 255) for token in ids).decode(errors="replace")


def network() -> torch.nn.Module:
    """Six layers of width 256."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCAB_SIZE,
        hidden_size=256,
        intermediate_size=704,
        num_hidden_layers=6,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=4096,
    )
    return LlamaForCausalLM(config).eval()


def requests_of(name: str, *, num_items: int, shots: int) -> list[ScoreRequest] | list[WriteRequest]:
    """What a task asks."""
    task = few_shot_tasks.get(name)
    items, pool = task.items("test")[:num_items], task.items("train")
    prompts = [make_prompt(task, item, pool, shots=shots).text for item in items]
    if items[0].options:
        return [ScoreRequest(text, item.options) for text, item in zip(prompts, items, strict=True)]
    return [WriteRequest(text, ("\n",), 12) for text in prompts]


@torch.no_grad()
def read_prompts(model: torch.nn.Module, requests: list[Any]) -> list[Any]:
    """Each prompt through the model by itself, and no more."""
    return [model(torch.tensor([list(own.prefix.encode())]), logits_to_keep=1) for own in requests]


@torch.no_grad()
def one_at_a_time(model: torch.nn.Module, requests: list[Any]) -> list[Any]:
    """The likeliest option, or the tokens written, by whole rows of one prompt each."""
    found: list[Any] = []
    for request in requests:
        prefix = list(request.prefix.encode())
        if isinstance(request, ScoreRequest):
            values = []
            for option in request.continuations:
                rest = list(option.encode())
                logits = model(torch.tensor([prefix + rest])).logits[0, len(prefix) - 1 : -1].log_softmax(-1)
                values.append(float(logits.gather(-1, torch.tensor(rest)[:, None]).mean()))
            found.append(max(range(len(values)), key=values.__getitem__))
        else:
            out = model(torch.tensor([prefix]), use_cache=True)
            written: list[int] = []
            while len(written) < request.max_tokens:
                written.append(int(out.logits[0, -1].argmax()))
                if written[-1] == ord("\n"):
                    break
                out = model(torch.tensor([written[-1:]]), past_key_values=out.past_key_values, use_cache=True)
            found.append(Bytes().decode([prefix[-1], *written])[1:].partition("\n")[0])
    return found


def together(model: TorchLanguageModel | OmniLanguageModel, requests: list[Any]) -> list[Any]:
    """The same by our adapter."""
    if isinstance(requests[0], ScoreRequest):
        found = {
            place: max(range(len(own)), key=lambda number, own=own: own[number].per_token)
            for place, own in model.score(requests)
        }
        return [found[place] for place in range(len(requests))]
    written = dict(model.write(requests))
    return [written[place] for place in range(len(requests))]


def seconds_of(run: Callable[[], list[Any]]) -> tuple[float, list[Any]]:
    start_s = time.thread_time()
    found = run()
    return time.thread_time() - start_s, found


def measure(name: str, model: torch.nn.Module, *, num_items: int, shots: int, num_rounds: int) -> dict[str, Any]:
    requests = requests_of(name, num_items=num_items, shots=shots)
    own = TorchLanguageModel(model, Bytes(), context=4096)
    num_tokens = sum(
        len((request.prefix + text).encode())
        for request in requests
        for text in (request.continuations if isinstance(request, ScoreRequest) else ("",))
    )
    return compared(
        f"{name}, {shots} shots",
        lambda: one_at_a_time(model, list(requests)),
        lambda: together(own, list(requests)),
        num_tokens=num_tokens,
        num_rounds=num_rounds,
        counts=lambda: (own.count.asked, own.count.computed),
        read=(lambda: read_prompts(model, list(requests))) if isinstance(requests[0], WriteRequest) else None,
    )


def compared(
    name: str,
    ask_peer: Callable[[], list[Any]],
    ask_own: Callable[[], list[Any]],
    *,
    num_tokens: int,
    num_rounds: int,
    counts: Callable[[], tuple[int, int]],
    read: Callable[[], list[Any]] | None = None,
) -> dict[str, Any]:
    """Both timed in turn; the ratio of their times, and `counts` of tokens asked and computed of one round of ours.

    With `read`, which reads the prompts and no more, also the most that the ratio could be if each must be read.
    """
    ratios, rates, bounds = [], [], []
    for _ in range(num_rounds):
        peer_s, expected = seconds_of(ask_peer)
        if read is not None:
            bounds.append(peer_s / seconds_of(read)[0])
        before = counts()
        own_s, found = seconds_of(ask_own)
        asked, computed = (now - then for now, then in zip(counts(), before, strict=True))
        agreed = sum(mine == theirs for mine, theirs in zip(found, expected, strict=True)) / len(found)
        assert agreed > 0.9, f"{name}: only {agreed:.2f} of the answers are the same"
        ratios.append(peer_s / own_s)
        rates.append(num_tokens / own_s)
    ratios.sort()
    return {
        "task": name,
        "items": len(found),
        "tokens_per_s": round(sorted(rates)[num_rounds // 2]),
        "ratio": round(ratios[num_rounds // 2], 2),
        "lowest": round(ratios[0], 2),
        "highest": round(ratios[-1], 2),
        "at_most": round(sorted(bounds)[num_rounds // 2], 2) if bounds else None,
        "agreed": round(agreed, 3),
        "asked": asked,
        "computed": computed,
    }


def measure_omni(
    name: str, omni: Omni, requests: list[Any], *, num_rounds: int, must_read_all: bool = False
) -> dict[str, Any]:
    """The shipped model: each request by itself, an option at a time, against all together."""
    own = OmniLanguageModel(omni)

    def read() -> list[Any]:
        return [together(own, [WriteRequest(request.prefix, (), 1)]) for request in requests]

    def one_by_one() -> list[Any]:
        if isinstance(requests[0], WriteRequest):
            return [together(own, [request])[0] for request in requests]
        found = []
        for request in requests:
            each = [ScoreRequest(request.prefix, (option,)) for option in request.continuations]
            values = [next(iter(own.score([one])))[1][0].per_token for one in each]
            found.append(max(range(len(values)), key=values.__getitem__))
        return found

    before = own.count.asked
    one_by_one()  # warms up, and counts
    return compared(
        name,
        one_by_one,
        lambda: together(own, requests),
        num_tokens=own.count.asked - before,
        num_rounds=num_rounds,
        counts=lambda: (own.count.asked, own.count.computed),
        read=read if must_read_all else None,
    )


def measure_samples(omni: Omni, prompts: list[str], *, num_samples: int, num_rounds: int) -> dict[str, Any]:
    """So many samples of each prompt with their log-probabilities, as pass@k needs them."""
    each = [prompt for prompt in prompts for _ in range(num_samples)]
    options: dict[str, Any] = {
        "sampling": Sampling(temperature=0.8, top_p=0.95),
        "rules": TextRules(stop=("\n",), num_logprobs=0),
        "max_tokens": 32,
    }
    num_tokens = 0

    def one_by_one() -> list[Any]:
        nonlocal num_tokens
        replies = [omni.reply(prompt, seed=seed, **options) for seed, prompt in enumerate(each)]
        num_tokens = sum(reply.usage.prompt_tokens + len(reply.ids) for reply in replies)
        return [reply.ids for reply in replies]

    one_by_one()
    before = omni.num_computed
    runs = 0

    def all_together() -> list[Any]:
        nonlocal runs
        runs += 1
        return [reply.ids for reply in omni.reply_batch(each, seed=range(len(each)), **options)]

    return compared(
        f"omni, {num_samples} samples",
        one_by_one,
        all_together,
        num_tokens=num_tokens,
        num_rounds=num_rounds,
        counts=lambda: (runs * num_tokens, omni.num_computed - before),
    )


def measure_shipped(*, num_items: int, shots: int, num_rounds: int) -> list[dict[str, Any]]:
    """Options, answers with demonstrations of each item's own, answers behind the same ones, and samples."""
    omni = Omni.load("tiny", num_threads=1)
    options = requests_of("analogies", num_items=num_items, shots=shots)
    fresh = requests_of("1DC", num_items=num_items, shots=shots)
    task = few_shot_tasks.get("1DC")
    demonstrations = make_prompt(task, task.items("test")[0], task.items("train"), shots=shots).text
    zero_shot = requests_of("1DC", num_items=num_items, shots=0)
    fixed = [WriteRequest(f"{demonstrations}\n\n{own.prefix}", ("\n",), 12) for own in zero_shot]
    prompts = [own.prefix for own in fresh[: max(num_items // 16, 1)]]
    return [
        measure_omni("omni, options", omni, options, num_rounds=num_rounds),
        measure_omni("omni, own shots", omni, fresh, num_rounds=num_rounds, must_read_all=True),
        measure_omni("omni, same shots", omni, fixed, num_rounds=num_rounds),
        measure_samples(omni, prompts, num_samples=16, num_rounds=num_rounds),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=64)
    parser.add_argument("--shots", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true", help="four items, one round, no bar")
    options = parser.parse_args()
    torch.set_num_threads(1)
    num_items, num_rounds = (4, 1) if options.quick else (options.items, options.rounds)
    model = network()
    asked = [("analogies", options.shots), ("novel-words", options.shots), ("1DC", 0), ("1DC", options.shots)]
    rows = [measure(name, model, num_items=num_items, shots=shots, num_rounds=num_rounds) for name, shots in asked]
    rows += measure_shipped(num_items=num_items, shots=options.shots, num_rounds=num_rounds)
    for row in rows:
        at_most = f", at most {row['at_most']}" if row["at_most"] else ""
        print(
            f"{row['task']:<20} {row['items']} items, {row['tokens_per_s']:,} tokens/s, {row['ratio']} x one by one "
            f"({row['lowest']}–{row['highest']}{at_most}), {100 * row['agreed']:.0f} % the same answers, "
            f"{row['computed']:,} of {row['asked']:,} tokens computed"
        )
    if options.json is not None:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    missed = [row["task"] for row in rows if row["ratio"] < BAR and not options.quick]
    if missed:
        print(f"FAILS: below {BAR} times: {', '.join(missed)}")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
