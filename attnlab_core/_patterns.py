"""How much a regular expression of a tokenizer may backtrack: told from how it is written, before it is ever run.

Where a repeat is followed by something that can fail, every shorter run of it is tried as well. One such repeat in a row makes
the work grow with the square of the text, two with its cube, and one within another doubles it with each letter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from attnlab_core.errors import ModelRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

T = TypeVar("T")
MANY = 16
"""Repeats of which more count as without bound."""
COST, GROWTH = 16, 256
"""How often a tokenizer may read a text once for each of its letters, and how many times as long it may make it."""
NESTED = 1000
"""What a repeat within a repeat counts for: it must be followed by nothing that fails."""
MOST_WAYS, MOST_REPEATS = 256, 1000
MOST_LETTERS, MOST_NESTED = 16_384, 50
_FLAGS = re.compile(r"[imx-]*")
_BOUNDS = re.compile(r"\{(\d*)(,?)(\d*)\}")
_ESCAPE = re.compile(r"\\(?:[pPx]\{[^}]*\}|u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_NAME = re.compile(r"\w+>")


def refuse_endless(tokenizer: Mapping[str, Any], whose: str) -> None:
    """Raise `ModelRefused` where the patterns of a tokenizer.json could take very long, or make a text very long."""
    read, grown = 0, 1
    for part in _objects([value for key, value in tokenizer.items() if key not in ("model", "added_tokens")]):
        pattern, content = part.get("Regex"), part.get("content")
        if isinstance(content, str):
            grown *= max(1, len(content))
        if isinstance(pattern, str):
            try:
                read += cost(pattern)
            except Unbounded:
                read = COST + 1
        if read > COST:
            raise ModelRefused(
                f"{whose}’s tokenizer.json has a pattern that could take very long with some texts: {str(pattern)[:80]!r}. "
                "Bring a tokenizer without it."
            )
    if grown > GROWTH:
        raise ModelRefused(
            f"{whose}’s tokenizer.json could make a text {GROWTH} times as long, and more. Bring a tokenizer that does not."
        )


def _objects(said: Any) -> Iterator[dict[str, Any]]:
    """The objects in a part of a JSON file."""
    stack = [said]
    while stack:
        one = stack.pop()
        if isinstance(one, dict):
            yield one
            stack += one.values()
        elif isinstance(one, list):
            stack += one


class Unbounded(Exception):
    """A pattern that may backtrack without bound, or is written in a way that is not known here."""


@dataclass(frozen=True)
class Part:
    """What a part of a pattern may do.

    Attributes:
        fails: Whether it can fail where it stands; what matches nothing at will cannot.
        varies: Whether it can match in several ways.
        tried: How many repeats in it are tried anew at every length.
        open: How many more would be, should what follows fail.
        ways: In how many further ways what precedes its failing parts can match.
        more: In how many more, should what follows fail.
    """

    fails: bool = True
    varies: bool = False
    tried: int = 0
    open: int = 0
    ways: int = 1
    more: int = 1


NOTHING = Part(fails=False)


def cost(pattern: str) -> int:
    r"""How often a text is read once for each of its letters, at most; 0 for a pattern that never turns back.

    Raises:
        Unbounded: that grows faster with the text, or the pattern is too long or unusual to tell.

    >>> cost(r" ?\p{L}+|\s+(?!\S)|\s+")
    1
    """
    if len(pattern) > MOST_LETTERS:
        _refuse()
    reader = _Reader(pattern)
    branches = reader.branches()
    if reader.at < len(pattern) or any(part.tried > 1 or part.ways > MOST_WAYS for part in branches):
        _refuse()
    return _ways(branches)


def _refuse() -> NoReturn:
    raise Unbounded


class _Reader:
    """Reads a pattern in the syntax of Oniguruma from left to right."""

    def __init__(self, pattern: str) -> None:
        self.pattern, self.at, self.depth = pattern, 0, 0

    def next(self, *texts: str) -> str:
        """The first of these texts that stands here, which is then passed; empty where none does."""
        found = next((text for text in texts if self.pattern.startswith(text, self.at)), "")
        self.at += len(found)
        return found

    def branches(self) -> list[Part]:
        """What is divided by |, up to the end of the group."""
        found = [self.row()]
        while self.next("|"):
            found.append(self.row())
        return found

    def row(self) -> Part:
        """What follows each other."""
        parts = []
        while self.at < len(self.pattern) and self.pattern[self.at] not in "|)":
            parts.append(self.repeated(self.atom()))
        whole = NOTHING
        for part in reversed(parts):
            whole = _before(part, whole)
        return whole

    def repeated(self, part: Part) -> Part:
        """A part with the repeats behind it."""
        while (bounds := self.bounds()) is not None:
            part = _repeat(part, *bounds)
        return part

    def bounds(self) -> tuple[int, int | None] | None:
        sign = self.next("*", "+", "?")
        if sign:
            self.next("?", "+")  # as few as possible, or without turning back
            return {"*": (0, None), "+": (1, None), "?": (0, 1)}[sign]
        found = _BOUNDS.match(self.pattern, self.at)
        if found is None or not (found[1] or found[3]):
            return None
        self.at = found.end()
        self.next("?")
        low = int(found[1] or 0)
        return low, (int(found[3]) if found[3] else None) if found[2] else low

    def atom(self) -> Part:
        """One letter, a class, an assertion or a group."""
        if self.next("("):
            return self.group()
        if self.next("["):
            self.letters()
        elif self.pattern[self.at] == "\\":
            found = _ESCAPE.match(self.pattern, self.at)
            if found is None or found[0][1] in "kgKXQE" or found[0][1] in "123456789":
                _refuse()
            self.at = found.end()
        else:
            self.at += 1
        return Part()

    def letters(self) -> None:
        """The rest of a class of letters, which may hold others."""
        self.next("^")
        self.next("]")
        while not self.next("]"):
            if self.at >= len(self.pattern):
                _refuse()
            if self.next("["):
                self.nested(self.letters)
            else:
                self.at += 2 if self.pattern[self.at] == "\\" else 1

    def nested(self, read: Callable[[], T]) -> T:
        """What is read of the inside of a group or a class."""
        self.depth += 1
        if self.depth > MOST_NESTED:
            _refuse()
        found = read()
        self.depth -= 1
        return found

    def group(self) -> Part:
        """The rest of a group; one that only looks ahead or back is not turned back into once it has matched."""
        began = self.at - 1
        looks = self.next("?=", "?!", "?<=", "?<!")
        if not looks and not self.next("?:", "?>") and self.next("?") and self.only_flags(began):
            return NOTHING
        whole = _either(self.nested(self.branches))
        if not self.next(")"):
            _refuse()
        return Part(tried=whole.tried + whole.open, ways=whole.ways * whole.more) if looks else whole

    def only_flags(self, began: int) -> bool:
        """Pass a group's name or flags; whether it is flags alone, for all that follows."""
        named = _NAME.match(self.pattern, self.at) if self.next("<") else None
        flags = named or _FLAGS.match(self.pattern, self.at)
        if flags is None or (named is None and "x" in flags[0]):
            _refuse()
        self.at = flags.end()
        if named or self.next(":"):
            return False
        if began or not self.next(")"):
            _refuse()
        return True


def _before(part: Part, rest: Part) -> Part:
    """A part and what follows it."""
    fails, varies = part.fails or rest.fails, part.varies or rest.varies
    if rest.fails:
        tried, ways = part.tried + part.open + rest.tried, part.ways * part.more * rest.ways
        return Part(fails, varies, tried, rest.open, ways, rest.more)
    ways, more = part.ways * rest.ways, part.more * rest.more
    return Part(fails, varies, part.tried + rest.tried, part.open + rest.open, ways, more)


def _either(branches: list[Part]) -> Part:
    if len(branches) == 1:
        return branches[0]
    return Part(
        fails=all(one.fails for one in branches),
        varies=True,
        tried=max(one.tried for one in branches),
        open=max(one.open for one in branches),
        ways=max(_ways(branches), *(one.ways for one in branches)),
        more=sum(one.more for one in branches),
    )


def _ways(branches: list[Part]) -> int:
    """Of those that are tried anew at every length, one after the other."""
    return sum(one.ways for one in branches if one.tried)


def _repeat(part: Part, low: int, high: int | None) -> Part:
    fails, ways = low > 0 and part.fails, part.ways * part.more
    if high is None or (high > MANY and low != high):
        inside = part.varies or part.tried or part.open or ways > 1
        return Part(fails, varies=True, tried=part.tried, open=NESTED if inside else 1, ways=part.ways)
    if high < low or high > MOST_REPEATS or (high > MANY and ways > 1):
        _refuse()
    if not high:
        return NOTHING
    return Part(
        fails=fails,
        varies=part.varies or low != high,
        tried=part.tried * high + part.open * (high - 1),
        open=part.open,
        ways=part.ways**high * part.more ** (high - 1),
        more=part.more * (high - low + 1),
    )
