"""The sentences of the negation study: pairs that differ in one negation, made from templates and word lists of our own."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

Label = Literal["negative", "positive"]
KINDS = ("plain", "negated", "negated negative", "double negation", "downtoned", "scope")
NEGATING = KINDS[1:]
EXAMPLES = {
    "plain": "no negation",
    "negated": "“was not funny”",
    "negated negative": "“was not dull”",
    "double negation": "“nobody would say that … was not funny”",
    "downtoned": "“was not very funny”",
    "scope": "“not only …”, “nothing to dislike”, “hardly …”, and others",
}
"""What each kind looks like, for people."""

THINGS = "movie film plot story acting script cast ending dialogue music direction comedy".split()
GOOD = (
    "good great funny clever charming moving original exciting brilliant wonderful enjoyable convincing fresh "
    "beautiful memorable entertaining"
).split()
BAD = (
    "bad dull boring silly tedious awful predictable lazy clumsy terrible stupid forgettable bland messy "
    "annoying disappointing"
).split()
VIRTUES = "charm wit warmth energy imagination tension heart style".split()
FAULTS = ("flaws", "mistakes", "dull moments", "clichés", "gaps", "weaknesses")
DOWNTONED = "very particularly especially really".split()
VISITORS = "critics reviewers stars directors producers journalists".split()


@dataclass(frozen=True)
class Pair:
    """Two sentences that differ in one negation (of the kind "plain": in the judging word).

    Attributes:
        kind: One of `KINDS`.
        form: The template within the kind.
        plain: The sentence without the negation.
        plain_gold: Its label.
        text: The sentence with it.
        gold: Its label.
        word: The negation, as it stands in `text`; empty in the kind "plain".
        start: Where it begins in `text`.
    """

    kind: str
    form: str
    plain: str
    plain_gold: Label
    text: str
    gold: Label
    word: str = ""
    start: int = 0

    @property
    def added(self) -> bool:
        """Whether the negation is all that was added: without it the sentence is the plain one."""
        without = self.text[: self.start] + self.text[self.start + len(self.word) + 1 :]
        return bool(self.word) and without == self.plain


def pairs(each: int = 80, *, seed: int = 0) -> list[Pair]:
    """So many pairs of each kind, in the order of `KINDS`; no sentence with a negation comes twice.

    >>> one = pairs(2)[2]
    >>> one.plain == one.text.replace(one.word + " ", "")
    True
    """
    rng = random.Random(seed)
    found: list[Pair] = []
    for kind in KINDS:
        by_form: dict[str, list[Pair]] = {}
        for pair in _MAKERS[kind]():
            by_form.setdefault(pair.form, []).append(pair)
        for several in by_form.values():
            rng.shuffle(several)
        turns = itertools.chain.from_iterable(itertools.zip_longest(*by_form.values()))
        found += [pair for pair in turns if pair is not None][:each]
    return found


def _pair(kind: str, form: str, template: str, word: str, instead: str, labels: tuple[Label, Label]) -> Pair:
    """A pair from a sentence with `{}` where the negation stands, or what stands there without it."""
    begin = template.index("{}")
    plain = template.format(instead).replace("  ", " ").strip()
    plain = plain[0].upper() + plain[1:]
    return Pair(kind, form, plain, labels[0], template.format(word), labels[1], word, begin)


def _plain() -> Iterator[Pair]:
    for thing, (good, bad), was in itertools.product(THINGS, zip(GOOD, BAD, strict=True), ("was", "is")):
        first, second = (f"The {thing} {was} {judged}." for judged in (good, bad))
        yield Pair("plain", "good and bad", first, "positive", second, "negative")


def _negated(kind: str, words: Sequence[str], labels: tuple[Label, Label]) -> Iterator[Pair]:
    for thing, judged, was in itertools.product(THINGS, words, ("was", "is")):
        for word in ("not", "never"):
            yield _pair(kind, f"was {word}", f"The {thing} {was} {{}} {judged}.", word, "", labels)


def _double() -> Iterator[Pair]:
    labels: tuple[Label, Label] = ("negative", "positive")
    frames = (
        ("it is not true that", "It is {} true that the", "not", ""),
        ("nobody would say that", "{} would say that the", "Nobody", "Everybody"),
        ("I never thought that", "I {} thought that the", "never", "always"),
    )
    for thing, good in itertools.product(THINGS, GOOD):
        for form, begin, word, instead in frames:
            yield _pair("double negation", form, f"{begin} {thing} was not {good}.", word, instead, labels)


def _downtoned() -> Iterator[Pair]:
    for thing, good, how in itertools.product(THINGS, GOOD, DOWNTONED):
        template = f"The {thing} was {{}} {how} {good}."
        yield _pair("downtoned", f"not {how}", template, "not", "", ("positive", "negative"))


def _scope() -> Iterator[Pair]:
    up: tuple[Label, Label] = ("negative", "positive")
    down: tuple[Label, Label] = ("positive", "negative")
    same: tuple[Label, Label] = ("positive", "positive")
    for thing, k in itertools.product(THINGS, range(8)):
        the, good, more, bad = f"the {thing}", GOOD[k], GOOD[k + 8], BAD[k]
        rows = (
            ("not only", f"The {thing} was {{}} only {good} but also {more}.", "not", "", same),
            ("nothing to dislike", f"There was {{}} to dislike about {the}.", "nothing", "something", up),
            ("hardly", f"The {thing} was {{}} {good}.", "hardly", "truly", down),
            ("anything but", f"The {thing} was {{}} but {bad}.", "anything", "nothing", up),
            ("without a virtue", f"It is a {thing} {{}} {VIRTUES[k]}.", "without", "with", down),
            ("without a fault", f"It is a {thing} {{}} {FAULTS[k % 6]}.", "without", "with", up),
            ("could not be better", f"The {thing} could {{}} be better.", "not", "", up),
            (
                "another clause",
                f"The {VISITORS[k % 6]} did {{}} come, but {the} was {good}.",
                "not",
                "",
                same,
            ),
        )
        for form, template, word, instead, labels in rows:
            yield _pair("scope", form, template, word, instead, labels)


def _once(made: Iterator[Pair]) -> Iterator[Pair]:
    yield from {pair.text: pair for pair in made}.values()


_MAKERS = {
    "plain": _plain,
    "negated": lambda: _once(_negated("negated", GOOD, ("positive", "negative"))),
    "negated negative": lambda: _once(_negated("negated negative", BAD, ("negative", "positive"))),
    "double negation": lambda: _once(_double()),
    "downtoned": lambda: _once(_downtoned()),
    "scope": lambda: _once(_scope()),
}
