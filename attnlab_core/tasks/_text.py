"""Texts that a treebank or a data set has taken apart into words, put together again."""

from __future__ import annotations

import re

_SIGNS = (
    ("-LRB-", "("),
    ("-RRB-", ")"),
    ("-LSB-", "["),
    ("-RSB-", "]"),
    ("``", '"'),
    ("''", '"'),
    (" n't", "n't"),
)


def joined(text: str) -> str:
    """Words separated by spaces as ordinary text.

    >>> joined("The clerk , who did n't wait , left .")
    "The clerk, who didn't wait, left."
    """
    for old, new in _SIGNS:
        text = text.replace(old, new)
    text = re.sub(r" @(.)@ ", r"\1", text)
    text = re.sub(r" ([,.;:!?)%]|'s\b|'(?:ve|re|ll|d|m)\b)", r"\1", text)
    return re.sub(r"\( ", "(", text)
