"""The errors a caller may want to catch. Each text is one line: what was given, and what to do next."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class AttentionLabError(Exception):
    """The parent of every error this library raises on purpose.

    Its text is one line. Of one longer than `longest`, as where it repeats what was given at length, the middle is left out.
    """

    longest = 900

    def __init__(self, text: str = "") -> None:
        line, half = " ".join(text.splitlines()), self.longest // 2 - 2
        super().__init__(line if len(line) <= self.longest else f"{line[:half]} … {line[-half:]}")


class BadInput(AttentionLabError):
    """A text, a target, a parameter or an edit that cannot be used as it is."""


class UnknownName(BadInput):
    """A name that is in no catalogue; the text offers the nearest known one."""

    def __init__(self, given: str, known: Iterable[str], what: str) -> None:
        names = sorted(known)
        spellings = {part: name for name in names for part in name.split("_")} | {
            name: name for name in names
        }
        near = get_close_matches(str(given), spellings, n=1)
        hint = f"Did you mean {spellings[near[0]]!r}? " if near else ""
        super().__init__(f"There is no {what} called {given!r}. {hint}Known: {', '.join(names)}.")


class TextTooLong(BadInput):
    """A text of more tokens than the model reads."""

    def __init__(self, tokens: int, limit: int) -> None:
        self.tokens, self.limit = tokens, limit
        super().__init__(
            f"The text has {tokens} tokens and the model reads at most {limit}. Shorten it, or cut it with lab.fit."
        )


class EditTouchedNothing(BadInput):
    """An edit that met no attention cell it could change."""


class ModelNotFound(AttentionLabError):
    """A model that is not there, not reachable, or not open to this user."""


class ModelRefused(AttentionLabError):
    """A model that is there, but whose attention this library cannot hold, or whose task does not fit."""


class TaskNeeded(ModelRefused):
    """A model whose configuration does not say what it was trained for; `choices` are the tasks of its kind."""

    def __init__(self, name: str, choices: Iterable[str], why: str = "") -> None:
        self.choices = tuple(choices)
        super().__init__(
            f"The config.json of {name!r} does not say what the model was trained for. {why}"
            f"Say which task: {', '.join(self.choices)}."
        )


class Cancelled(AttentionLabError):
    """Long work that was stopped by the person who started it."""
