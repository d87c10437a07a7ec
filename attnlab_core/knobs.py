"""Knobs: what a person may turn, read off a signature.

A method's keyword-only parameters and an edit's dataclass fields are its knobs: the page makes widgets of them, the
command line makes flags, and `check` refuses a value that does not fit before anything is computed.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from attnlab_core.errors import BadInput, UnknownName

_T = TypeVar("_T")
_KINDS: dict[type, str] = {bool: "bool", int: "int", float: "float", str: "text"}


@dataclasses.dataclass(frozen=True)
class Range:
    """The values a number may take, both ends included; `None` is open. Used in `Annotated[float, Range(0, 1)]`."""

    low: float | None = None
    high: float | None = None


@dataclasses.dataclass(frozen=True)
class Knob:
    """One thing to turn. `kind` is bool, int, float, choice or text; `optional` means that None is a value too."""

    name: str
    kind: str
    default: Any
    choices: tuple[Any, ...] = ()
    low: float | None = None
    high: float | None = None
    optional: bool = False
    help: str = ""

    def check(self, value: Any) -> Any:
        """Give `value` back in the knob's own type, or raise `BadInput`."""
        if value is None and self.optional:
            return None
        if self.kind == "choice":
            if value not in self.choices:
                raise BadInput(f"{self.name} is one of {', '.join(map(repr, self.choices))}, not {value!r}.")
            return value
        if self.kind in ("int", "float"):
            return self._number(value)
        wanted = bool if self.kind == "bool" else str
        if not isinstance(value, wanted):
            raise BadInput(
                f"{self.name} is {'true or false' if wanted is bool else 'a text'}, not {value!r}."
            )
        return value

    def _number(self, value: Any) -> int | float:
        whole = self.kind == "int"
        if isinstance(value, bool) or not isinstance(value, int | float) or (whole and value % 1 != 0):
            raise BadInput(f"{self.name} is a {'whole ' if whole else ''}number, not {value!r}.")
        low, high = self.low, self.high
        if not ((low is None or value >= low) and (high is None or value <= high)):
            bounds = (
                f"at least {low:g}"
                if high is None
                else f"from {'-∞' if low is None else f'{low:g}'} to {high:g}"
            )
            raise BadInput(f"{self.name} is {bounds}, not {value!r}.")
        return int(value) if whole else float(value)


@lru_cache(maxsize=256)
def knobs(thing: Callable[..., Any]) -> tuple[Knob, ...]:
    """The knobs of a method (its keyword-only parameters) or of an edit (its fields).

    A parameter of another kind than a number, a truth value, a text or a choice is none: it is no thing to turn.

    >>> def method(run, goal, *, layer: Annotated[int | None, Range(0)] = None):
    ...     '''Do it.'''
    >>> knobs(method)[0].kind, knobs(method)[0].optional
    ('int', True)
    """
    hints = get_type_hints(thing, include_extras=True)
    helps = argument_help(thing)
    found = (
        _knob(p.name, hints[p.name], p.default, helps.get(p.name, ""))
        for p in inspect.signature(thing).parameters.values()
        if p.kind is p.KEYWORD_ONLY
    )
    return tuple(knob for knob in found if knob is not None)


def check(thing: Callable[..., Any], given: Mapping[str, Any], what: str) -> dict[str, Any]:
    """The values of all knobs of `thing`: those given, checked, and the defaults for the rest."""
    known = {knob.name: knob for knob in knobs(thing)}
    for name in given:
        if name not in known:
            raise UnknownName(name, known, f"parameter of {what}")
    return {name: knob.check(given[name]) if name in given else knob.default for name, knob in known.items()}


def title(thing: Callable[..., Any]) -> str:
    """The label for a menu: `attention_rollout` → `Attention rollout`.

    A thing whose name has a spelling of its own carries it as `label`.
    """
    spelt = getattr(thing, "label", None)
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", thing.__name__)
    return spelt if isinstance(spelt, str) else name.replace("_", " ").capitalize()


def caption(thing: Callable[..., Any]) -> str:
    """The first line of the docstring."""
    return (inspect.getdoc(thing) or "").partition("\n")[0]


def argument_help(thing: Callable[..., Any]) -> dict[str, str]:
    """The `Args:` (or `Attributes:`) section of a Google docstring as name → text; of a class, with its bases' too."""
    bases = [base for base in thing.__mro__[1:-1] if base.__doc__] if isinstance(thing, type) else []
    return {name: text for part in (*reversed(bases), thing) for name, text in _section(part).items()}


def _section(thing: Callable[..., Any]) -> dict[str, str]:
    doc = inspect.getdoc(thing) or ""
    section = re.search(r"^(?:Args|Attributes):\n((?:[ ]{4}.*\n?|\n)+)", doc, re.MULTILINE)
    entries = re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", section[1] if section else "", re.MULTILINE)
    return {name: re.sub(r"\s+", " ", text) for name, text in entries}


def labelled(text: str) -> Callable[[_T], _T]:
    """Give a method or an edit a menu label of its own spelling."""

    def mark(thing: _T) -> _T:
        setattr(thing, "label", text)  # noqa: B010 - a function has no declared attributes
        return thing

    return mark


def _knob(name: str, hint: Any, default: Any, text: str) -> Knob | None:
    inner, bounds, optional = _peel(hint, Range(), False)
    if get_origin(inner) is Literal:
        return Knob(name, "choice", default, choices=get_args(inner), optional=optional, help=text)
    if inner not in _KINDS:
        return None
    return Knob(name, _KINDS[inner], default, low=bounds.low, high=bounds.high, optional=optional, help=text)


def _peel(hint: Any, bounds: Range, optional: bool) -> tuple[Any, Range, bool]:
    """Take `Annotated` and `| None` off a type hint, in any order."""
    if get_origin(hint) is Annotated:
        inner, *extras = get_args(hint)
        return _peel(inner, next((extra for extra in extras if isinstance(extra, Range)), bounds), optional)
    if get_origin(hint) in (Union, UnionType):
        kinds = [kind for kind in get_args(hint) if kind is not NoneType]
        if len(kinds) == 1:
            return _peel(kinds[0], bounds, True)
    return hint, bounds, optional
