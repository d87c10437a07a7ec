"""Answers compared as SQuAD does (Rajpurkar et al., EMNLP 2016): exact match and F1 over words, after normalising."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalised(answer: str) -> list[str]:
    """The words of an answer in lower case, without punctuation and articles.

    >>> normalised("The Eiffel Tower!")
    ['eiffel', 'tower']
    """
    return _ARTICLES.sub(" ", answer.lower().translate(_PUNCTUATION)).split()


def exact(answer: str, gold: Sequence[str]) -> float:
    """1.0 where the answer equals one of the right ones after normalising, else 0.0.

    >>> exact("Eiffel Tower", ["the Eiffel tower", "tower"])
    1.0
    """
    return float(any(normalised(answer) == normalised(right) for right in gold))


def f1(answer: str, gold: Sequence[str]) -> float:
    """Harmonic mean of precision and recall over words, for the right answer that fits best.

    >>> f1("tall Eiffel Tower", ["Eiffel Tower"])
    0.8
    """
    return max(_overlap(normalised(answer), normalised(right)) for right in gold)


def _overlap(one: list[str], two: list[str]) -> float:
    if not one or not two:
        return float(one == two)
    common = sum((Counter(one) & Counter(two)).values())
    return 2 * common / (len(one) + len(two))
