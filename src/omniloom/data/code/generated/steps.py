"""The steps that generated functions are made of: each turns one kind of value into another, in words and in code.

A step's words do not always tell everything: "sort them" may go up or down. Its `readings` are what the words may mean,
and which one is meant is told by the example in the docstring alone, as people often leave it. So the problems are well
posed, and a small model that reads the words and not the example has to guess, as code models had to when pass@k was
defined over many samples (Chen et al. 2021): what it guesses it can get right by trying.

The usual reading comes first and is meant most often (`READING_WEIGHTS`).

Every reading is one expression over `x` and at most one constant `k`. Rejected: steps of several statements, which make
functions longer and no harder, and random programs described from their syntax trees, whose words nobody would write.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["numbers", "number", "text", "words"]

NAMES: dict[Kind, str] = {"numbers": "numbers", "number": "total", "text": "text", "words": "words"}
"""What a function calls a value of each kind."""


READING_WEIGHTS: dict[int, tuple[float, ...]] = {
    1: (1.0,),
    2: (0.55, 0.45),
    3: (0.45, 0.3, 0.25),
    4: (0.35, 0.3, 0.2, 0.15),
}
"""How often each of so many readings is meant."""


@dataclass(frozen=True)
class Step:
    """`phrases` say the same in other words; `constants` is what `k` is drawn from, empty where there is none."""

    name: str
    source: Kind
    target: Kind
    phrases: tuple[str, ...]
    readings: tuple[str, ...]
    constants: tuple[int, ...] = ()


def _each(name: str, phrases: tuple[str, ...], *values: str, constants: tuple[int, ...] = ()) -> Step:
    return Step(name, "numbers", "numbers", phrases, tuple(f"[{v} for n in x]" for v in values), constants)


def _kept(name: str, phrases: tuple[str, ...], *tests: str, constants: tuple[int, ...] = ()) -> Step:
    return Step(name, "numbers", "numbers", phrases, tuple(f"[n for n in x if {t}]" for t in tests), constants)


SMALL = (2, 3, 4, 5)
BOUNDS = (0, 3, 5, 8)

STEPS: tuple[Step, ...] = (
    _kept("even", ("keep the even numbers", "take only even numbers", "drop the odd numbers"), "n % 2 == 0"),
    _kept("odd", ("keep the odd numbers", "take only odd numbers", "drop the even numbers"), "n % 2 == 1"),
    _kept("above", ("keep numbers above {k}", "take what is larger than {k}"), "n > {k}", constants=BOUNDS),
    _kept("below", ("keep numbers below {k}", "take what is smaller than {k}"), "n < {k}", constants=BOUNDS),
    _kept("from", ("keep numbers from {k} on", "take what is at least {k}"), "n >= {k}", constants=BOUNDS),
    _kept("divisible", ("keep multiples of {k}", "take what {k} divides"), "n % {k} == 0", constants=SMALL),
    _kept("sign", ("throw zeros out", "clean the signs"), "n != 0", "n > 0", "n >= 0"),
    _kept("rare", ("handle repeated values", "deal with repeats"), "x.count(n) == 1", "x.count(n) > 1"),
    _each("add", ("add {k} to each", "increase each by {k}"), "n + {k}", constants=SMALL),
    _each("subtract", ("subtract {k} from each", "decrease each by {k}"), "n - {k}", constants=SMALL),
    _each("multiply", ("multiply each by {k}", "scale each by {k}"), "n * {k}", constants=SMALL),
    _each("power", ("raise each", "apply powers to each"), "n ** 2", "n ** 3"),
    _each("negate", ("negate each", "flip each sign"), "-n"),
    _each("absolute", ("take absolute values", "drop the signs"), "abs(n)"),
    _each("modulo", ("take remainders by {k}", "reduce each modulo {k}"), "n % {k}", constants=SMALL),
    _each("divide", ("divide each by {k}", "split each by {k}"),
         "n // {k}", "round(n / {k})", "n / {k}", constants=(2, 4)),
    _each("limit", ("limit each by {k}", "clip each at {k}"), "min(n, {k})", "max(n, {k})", constants=BOUNDS),
    Step("sort", "numbers", "numbers", ("sort them", "put them in order"),
         ("sorted(x)", "sorted(x, reverse=True)", "sorted(x, key=abs)")),
    Step("reverse", "numbers", "numbers", ("reverse them", "turn them around"), ("x[::-1]",)),
    Step("alternate", "numbers", "numbers", ("take every other one", "skip every second one"), ("x[::2]", "x[1::2]")),
    Step("unique", "numbers", "numbers", ("remove duplicates", "keep distinct ones"),
         ("list(dict.fromkeys(x))", "sorted(set(x))")),
    Step("cut", "numbers", "numbers", ("drop {k} of them", "leave {k} out"), ("x[{k}:]", "x[:-{k}]"), (1, 2)),
    Step("some", "numbers", "numbers", ("take {k} of them", "keep just {k}"),
         ("x[:{k}]", "x[-{k}:]", "sorted(x)[:{k}]"), (2, 3)),
    Step("differences", "numbers", "numbers", ("take differences of neighbours", "compare neighbours"),
         ("[b - a for a, b in zip(x, x[1:])]", "[a - b for a, b in zip(x, x[1:])]",
          "[abs(a - b) for a, b in zip(x, x[1:])]")),
    Step("sum", "numbers", "number", ("add them up", "take the sum"), ("sum(x)",)),
    Step("count", "numbers", "number", ("count them", "say how many there are"), ("len(x)", "len(set(x))")),
    Step("extreme", "numbers", "number", ("take the extreme one", "pick the outermost"),
         ("max(x, default=0)", "min(x, default=0)")),
    Step("largest", "numbers", "number", ("take the largest", "find the maximum"), ("max(x, default=0)",)),
    Step("smallest", "numbers", "number", ("take the smallest", "find the minimum"), ("min(x, default=0)",)),
    Step("spread", "numbers", "number", ("measure the spread", "say how far apart they are"),
         ("max(x, default=0) - min(x, default=0)", "len(set(x)) - 1")),
    Step("middle", "numbers", "number", ("take the middle one", "pick the centre"),
         ("x[len(x) // 2] if x else 0", "sorted(x)[len(x) // 2] if x else 0")),
    Step("end", "numbers", "number", ("take the one at the end", "pick an end"),
         ("x[-1] if x else 0", "x[0] if x else 0")),
    Step("double", "number", "number", ("multiply the result by {k}", "scale the result by {k}"), ("x * {k}",), SMALL),
    Step("shift", "number", "number", ("shift the result by {k}", "move the result by {k}"),
         ("x + {k}", "x - {k}"), SMALL),
    Step("case", "text", "text", ("change the case", "fix the case"),
         ("x.upper()", "x.lower()", "x.swapcase()", "x.title()")),
    Step("mirror", "text", "text", ("reverse the text", "write it backwards"), ("x[::-1]",)),
    Step("vowels", "text", "text", ("drop the vowels", "remove all vowels"),
         ("''.join(c for c in x if c not in 'aeiouAEIOU')",)),
    Step("repeat", "text", "text", ("repeat the text {k} times", "write it {k} times"),
         ("x * {k}", "' '.join([x] * {k})"), (2, 3)),
    Step("shorten", "text", "text", ("keep {k} characters", "shorten it to {k} characters"),
         ("x[:{k}]", "x[-{k}:]"), (3, 4, 5)),
    Step("unspaced", "text", "text", ("remove the spaces", "take the spaces out"), ("x.replace(' ', '')",)),
    Step("length", "text", "number", ("measure the text", "take its length"), ("len(x)", "len(x.replace(' ', ''))")),
    Step("vowel_count", "text", "number", ("count the vowels", "say how many vowels it has"),
         ("sum(c in 'aeiou' for c in x.lower())",)),
    Step("split", "text", "words", ("split it into words", "take its words"), ("x.split()",)),
    Step("word_sort", "words", "words", ("sort the words", "put the words in order"),
         ("sorted(x)", "sorted(x, key=len)", "sorted(x, reverse=True)")),
    Step("word_reverse", "words", "words", ("reverse the words", "turn the words around"),
         ("x[::-1]", "[w[::-1] for w in x]")),
    Step("long", "words", "words", ("keep words by length {k}", "choose words by length {k}"),
         ("[w for w in x if len(w) > {k}]", "[w for w in x if len(w) < {k}]", "[w for w in x if len(w) == {k}]"),
         (3, 4, 5)),
    Step("initials", "words", "words", ("take the letter of each word", "reduce each word to a letter"),
         ("[w[0] for w in x]", "[w[-1] for w in x]")),
    Step("join", "words", "text", ("join the words", "glue the words together"),
         ("' '.join(x)", "''.join(x)", "'-'.join(x)")),
    Step("word_count", "words", "number", ("count the words", "say how many words there are"),
         ("len(x)", "len(set(x))")),
    Step("lengths", "words", "numbers", ("measure each word", "take the length of each word"),
         ("[len(w) for w in x]",)),
)  # fmt: skip
