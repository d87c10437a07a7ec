"""What counts as one place of a text: a token, a word or a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pages.ui import widgets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from attnlab_core.prompt import Encoding, Word

ALL = {"tokens": "token", "words": "word", "sentences": "sentence"}
WHOLE = {"words": "word", "sentences": "sentence"}
POOLED = "Weights are averaged over the tokens of a word or a sentence that attend, and added up over those attended to."
LONGEST = 80
"""Letters of a sentence that are shown."""


def choose(label: str, known: Mapping[str, str], key: str, about: str, bound: bool = True) -> str:
    """A control for the unit; the first of those that are known is the one at first. Where it is `bound`, it is in the address."""
    return known[widgets.one_of(label, list(known), key, next(iter(known)), bound, help=about)]


def of(encoding: Encoding, unit: str) -> Sequence[Word]:
    """The words or the sentences of a text; special tokens belong to none."""
    from attnlab_core.prompt import sentences

    return sentences(encoding) if unit == "sentence" else encoding.words


def short(text: str) -> str:
    r"""The beginning of a long sentence, on one line.

    >>> short("one\ntwo"), len(short("long " * 99))
    ('one two', 80)
    """
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
