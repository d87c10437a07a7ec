"""The sentences of the two studies of patterns: opinions, stories and facts, from templates and lists of our own."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

KINDS = ("opinion", "story", "fact")
LENGTHS = (10, 13)
"""Words of a sentence, the full stop counted as one."""
EACH = 10
"""Sentences of each template."""

TEMPLATES: dict[str, tuple[str, ...]] = {
    "opinion": (
        "The {thing} was {good} and the {thing} was {bad}.",
        "We thought the {thing} {good} but the {thing} {bad}.",
        "I have never known such a {good} little {thing}.",
        "This is a {good} {thing} with no {fault} whatever.",
        "The end of the {thing} is {bad} but the beginning is {good}.",
        "No one who knew this {thing} would ever say it was {good}.",
        "I did not like the {thing} because the {thing} was very {bad}.",
        "It is a {good} and {good} {thing} that leaves you quite {moved}.",
    ),
    "story": (
        "The {person} took the {object} and went slowly {away}.",
        "She told the {person} that he looked very {moved}.",
        "He gave his {object} to the {person} that {time}.",
        "Then the {person} laughed and closed the little {object}.",
        "The {person} thanked the {person} because they had found the {object} again.",
        "In the {time} the old {person} walked with him to the {place}.",
        "When they came to the {place} he asked the {person} to wait.",
        "She put her {object} on the table and the {person} looked {moved}.",
    ),
    "fact": (
        "My friend {name} lives in {town} with a {relative}.",
        "The {relative} of the {person} was born in {town}.",
        "Now {name} and {name} work in the same {place}.",
        "There is a little {place} in the {side} town.",
        "Her {relative} went to school in {town} and now lives in {town}.",
        "The {place} in {town} was built by the {relative} of a {person}.",
        "A {person} called {name} is a friend of {name} and of {name}.",
        "The first {place} was opened in {town} more than twenty years ago.",
    ),
}
LISTS = {
    "thing": "story book song play picture letter dinner speech voice dance".split(),
    "good": "good great beautiful charming clever pleasant delightful fine lovely strong".split(),
    "bad": "bad dull foolish poor long strange weak heavy cold dreadful".split(),
    "fault": "fault mistake difficulty trouble danger mystery interest excitement beauty life".split(),
    "moved": "happy sad tired angry glad frightened calm cheerful ill".split(),
    "person": "doctor lady captain girl boy nurse king gentleman soldier servant man woman".split(),
    "object": "box hat book letter basket watch lamp bag purse paper".split(),
    "away": "home away upstairs outside back off".split(),
    "time": "morning evening afternoon night summer winter".split(),
    "place": "church castle village station school shop house hall garden inn".split(),
    "side": "upper lower old new next same poor rich".split(),
    "name": "Mary Anna Peter John James Jane Henry Tom George Charlotte William".split(),
    "town": "London Paris Rome England France India York Egypt Greece Russia China".split(),
    "relative": "mother father brother sister uncle aunt wife cousin daughter son".split(),
}


@dataclass(frozen=True)
class Sentence:
    """One sentence.

    Attributes:
        text: As it is read.
        kind: One of `KINDS`.
        length: How many words, the full stop counted.
        template: The number of its template, over all kinds.
    """

    text: str
    kind: str
    length: int
    template: int


def sentences(each: int = EACH, *, seed: int = 0) -> list[Sentence]:
    """So many sentences of each template, in order; none comes twice, nor does a word of a list in any of them.

    >>> one = sentences(1)[0]
    >>> one.length == len(one.text.replace(".", " .").split())
    True
    """
    draw, found = random.Random(seed), []
    for number, (kind, template) in enumerate((k, t) for k in KINDS for t in TEMPLATES[k]):
        made: dict[str, Sentence] = {}
        while len(made) < each:
            text = _filled(template, draw)
            made[text] = Sentence(text, kind, len(text.split()) + 1, number)
        found += made.values()
    return found


def _filled(template: str, draw: random.Random) -> str:
    left = {name: draw.sample(words, len(words)) for name, words in LISTS.items()}
    return re.sub(r"\{(\w+)\}", lambda slot: left[slot[1]].pop(), template)


def pairs(made: Sequence[Sentence]) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Numbers of sentences of the same length, two by two, none twice: from one template, and from two.

    Across templates the first of a length is joined with the last, so that kinds mix, too.
    """
    by_template: dict[int, list[int]] = {}
    for k, one in enumerate(made):
        by_template.setdefault(one.template, []).append(k)
    same = [pair for some in by_template.values() for pair in zip(some[::2], some[1::2], strict=False)]
    other = []
    for length in sorted({one.length for one in made}):
        groups = [some for some in by_template.values() if made[some[0]].length == length]
        half = len(groups) // 2
        for first, second in zip(groups[:half], groups[half:][::-1], strict=False):
            other += list(zip(first, second, strict=False))
    return same, other
