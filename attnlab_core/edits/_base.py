"""What every edit is: a frozen value that says where, and one method that says what.

The base keeps the promises, the edit has the idea: cells outside `where` stay as they are, masked cells stay at zero,
rows sum afterwards to what they did before, one. A row that an edit empties keeps the weights it had: the model must
attend somewhere. (Zero may be told otherwise.)
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attnlab_core.catalog import catalog, pick
from attnlab_core.errors import BadInput, UnknownName
from attnlab_core.knobs import knobs

if TYPE_CHECKING:
    from attnlab_core.lab import Lab
    from attnlab_core.prompt import Encoding

Call = tuple[str, int]
"""The part of the model and the layer in it that an attention call belongs to."""
Stage = Literal["scores", "weights"]
Part = Literal["encoder", "decoder", "cross"]
Places = tuple[int | str, ...]


@dataclasses.dataclass(frozen=True)
class Where:
    """Which attention cells. `None` means all.

    Attributes:
        layers: Layer numbers from 0.
        heads: Head numbers from 0 (query heads, where keys are shared).
        queries: Attending tokens: positions, or words that must occur in the text.
        keys: Tokens attended to: positions, or words that must occur in the text.
        part: "encoder", "decoder" or "cross"; `None` is every part whose keys are the text's tokens.
    """

    layers: tuple[int, ...] | None = None
    heads: tuple[int, ...] | None = None
    queries: Places | None = None
    keys: Places | None = None
    part: Part | None = None

    def __post_init__(self) -> None:
        """Take lists and single values, and refuse what is neither number nor word."""
        for name in ("layers", "heads", "queries", "keys"):
            value = getattr(self, name)
            if value is None:
                continue
            value = tuple(value) if isinstance(value, list | tuple | range) else (value,)
            wanted = (int,) if name in ("layers", "heads") else (int, str)
            if not all(isinstance(one, wanted) and not isinstance(one, bool) for one in value):
                kinds = "whole numbers" if len(wanted) == 1 else "positions (whole numbers) or words"
                raise BadInput(f"{name} is a list of {kinds}, not {getattr(self, name)!r}.")
            if not value:
                raise BadInput(f"{name} is empty, so the edit would touch nothing. Leave it out to mean all.")
            object.__setattr__(self, name, tuple(dict.fromkeys(value)))
        if self.part not in (None, "encoder", "decoder", "cross"):
            raise UnknownName(str(self.part), ("encoder", "decoder", "cross"), "part of a model")

    def settle(self, encoding: Encoding, layers: int, heads: int) -> Where:
        """The same with words turned into positions; `BadInput` for what the model or the text does not have."""
        size = len(encoding.ids)
        return dataclasses.replace(
            self.inside(layers, heads),
            queries=positions(self.queries, encoding, size),
            keys=positions(self.keys, encoding, size),
        )

    def inside(self, layers: int, heads: int) -> Where:
        """The same with layers and heads counted from the first; `BadInput` for those that the model does not have."""
        return dataclasses.replace(
            self,
            layers=within(self.layers, layers, "layer", "the model has layers"),
            heads=within(self.heads, heads, "head", "the model has heads"),
        )

    def covers(self, part: str, layer: int, only: bool) -> bool:
        """Whether a call is meant; `only` says that the model has no other part."""
        meant = (
            self.part == part
            if self.part
            else only or part == "encoder" or (part == "cross" and not self.queries)
        )
        return meant and (self.layers is None or layer in self.layers)

    def cells(
        self, shape: tuple[int, int, int], device: torch.device, first: int = 0
    ) -> Bool[Tensor, "head query key"]:
        """True at the chosen cells of one call; words must have been settled.

        Args:
            shape: heads, queries and keys of the call.
            device: where the answer is to be.
            first: the position of the first query, where a cache holds those before it.
        """
        chosen = torch.ones((1, 1, 1), dtype=torch.bool, device=device)
        for axis, places in enumerate((self.heads, self.queries, self.keys)):
            if places is not None:
                start = first if axis == 1 else 0
                inside = [int(p) - start for p in places if 0 <= int(p) - start < shape[axis]]
                line = torch.zeros(shape[axis], dtype=torch.bool, device=device)
                line[torch.tensor(inside, dtype=torch.long, device=device)] = True
                chosen = chosen & line.view([-1 if k == axis else 1 for k in range(3)])
        return chosen.expand(shape)

    def to_json(self) -> dict[str, Any]:
        """Only what is not `None`, lists for tuples."""
        fields = ((f.name, getattr(self, f.name)) for f in dataclasses.fields(self))
        return {n: list(v) if isinstance(v, tuple) else v for n, v in fields if v is not None}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Edit:
    """A change of attention. Subclasses are frozen dataclasses with a `change` (or, seldom, a `rearrange`).

    Attributes:
        where: Which cells.
    """

    where: Where = Where()

    identity: ClassVar[Mapping[str, Any]] = {}
    """The values of the fields that change nothing; the contract tests use them."""
    by_hand: ClassVar[bool] = False
    """Whether it is drawn cell by cell, and is nothing until cells are given."""
    placeless: ClassVar[bool] = False
    """Whether `change` depends on its numbers alone and not on `where`, so that edits of several rows can act at once."""
    missed: ClassVar[str] = (
        "its keys are hidden from its queries by the mask, or the model has no such part. "
        "Choose other layers, queries or keys."
    )
    """What is said where it met no cell."""

    def __post_init__(self) -> None:
        """Check every field as the knob it is."""
        if not isinstance(self.where, Where):
            raise BadInput(f"where is an al.Where(…), not {self.where!r}.")
        for knob in knobs(type(self)):
            value = getattr(self, knob.name)
            if not isinstance(value, Tensor):  # a live strength
                object.__setattr__(self, knob.name, knob.check(value))

    @property
    def op(self) -> str:
        """The name in JSON and in the catalogue."""
        return type(self).__module__.rpartition(".")[2]

    @property
    def stage(self) -> Stage:
        """Whether it changes scores (before the softmax) or weights (after)."""
        return getattr(self, "on", "weights")

    @property
    def inert(self) -> bool:
        """Whether its values are those that change nothing; the weights then stay as they are, bit by bit."""
        now = [(getattr(self, name), value) for name, value in self.identity.items()]
        return bool(now) and all(not isinstance(own, Tensor) and own == value for own, value in now)

    @property
    def rescales(self) -> bool:
        """Whether a row is brought back to its sum afterwards."""
        return True

    @property
    def unmasked(self) -> bool:
        """Whether it needs the scores that the model's mask hides."""
        return False

    @property
    def columnwise(self) -> bool:
        """Whether `cell` says all of it, so that chosen columns can be worked out by themselves."""
        return False

    def cell(
        self, own: Float[Tensor, "*cell"], least: Float[Tensor, "*#cell"] | None = None
    ) -> Float[Tensor, "*cell"]:
        """New values of visible chosen cells from their own; on scores, also from the least visible score of their row."""
        raise AssertionError(f"{type(self).__name__} has no cell")

    def like(self, other: Edit) -> bool:
        """Whether another edit is the same but for its place; none with tensors for numbers is."""
        own, its = (vars(one) | {"where": type(one)} for one in (self, other))
        return not any(isinstance(v, Tensor) for v in (*own.values(), *its.values())) and own == its

    def live(self, **strengths: Tensor) -> Self:
        """A copy with tensors for some of its numbers, so that the answer can be differentiated by them.

        It acts as the edit does and is no value any more: it cannot be stored or sent, and its numbers are not checked.
        """
        return dataclasses.replace(self, **strengths)

    def settle(self, encoding: Encoding, lab: Lab) -> Self:
        """The same edit for one text and one model: positions for words."""
        return dataclasses.replace(self, where=self.where.settle(encoding, lab.layers, lab.heads))

    def chosen(
        self, shape: tuple[int, int, int], device: torch.device, first: int = 0
    ) -> Bool[Tensor, "head query key"]:
        """The cells it may change in one call; see `Where.cells`."""
        return self.where.cells(shape, device, first)

    def meets(self, chosen: Bool[Tensor, "*batch head query key"]) -> Bool[Tensor, "*batch head query key"]:
        """Those of the chosen visible cells that it can act on; where there are none it is an error."""
        return chosen

    def rearrange(
        self,
        values: Float[Tensor, "*batch head query key"],
        visible: Bool[Tensor, "*batch head query key"],
        chosen: Bool[Tensor, "*batch head query key"],
        call: Call,
    ) -> Float[Tensor, "*batch head query key"]:
        """New scores or weights for all cells of one call: as it stands, the chosen cells change and no others.

        Edits that move attention between the cells of a row have one of their own; only rows with a chosen cell are
        taken over, and what it says of hidden cells is not.
        """
        return torch.where(chosen, self.change(values, visible, call), values)

    def change(
        self,
        values: Float[Tensor, "*batch head query key"],
        visible: Bool[Tensor, "*batch head query key"],
        call: Call,
    ) -> Float[Tensor, "*batch head query key"]:
        """New scores or weights for all cells of one call; only the chosen ones are taken over.

        With a cache there are fewer queries than keys, and the queries are the last ones; see `first_query`.
        """
        raise AssertionError(f"{type(self).__name__} has no change")

    def to_json(self) -> dict[str, Any]:
        """`{"op": "scale", "factor": 2.0, "where": {"keys": ["nothing"]}}`; values at their defaults stay out."""
        said: dict[str, Any] = {"op": self.op}
        for f in dataclasses.fields(self):
            value = getattr(self, f.name)
            if f.name != "where" and f.compare and (value != f.default or f.name == "factor"):
                said[f.name] = (
                    [list(v) if isinstance(v, tuple) else v for v in value]
                    if isinstance(value, tuple)
                    else value
                )
        where = self.where.to_json()
        return said | ({"where": where} if where else {})

    def __str__(self) -> str:
        """The edit as one line of JSON."""
        return json.dumps(self.to_json(), ensure_ascii=False, default=float)


def first_query(call: Call, queries: int, keys: int) -> int:
    """The position of a call's first query: in a decoder a cache holds those before it."""
    return max(0, keys - queries) if call[0] == "decoder" else 0


def edit_from_json(given: str | Mapping[str, Any]) -> Edit:
    """Read an edit from JSON text or a mapping.

    >>> edit_from_json('{"op": "scale", "factor": 2, "where": {"keys": ["not"]}}').where.keys
    ('not',)
    """
    try:
        said = dict(json.loads(given) if isinstance(given, str) else given)
    except (ValueError, TypeError):
        raise BadInput(f'An edit is JSON such as {{"op": "scale", "factor": 2}}, not {given!r}.') from None
    op = said.pop("op", None)
    if op is None:
        raise BadInput(f'An edit needs an "op"; known: {", ".join(catalog("attnlab_core.edits"))}.')
    kind = pick("attnlab_core.edits", str(op), "edit")
    where = where_from_json(said.pop("where", {}))
    known = [f.name for f in dataclasses.fields(kind) if f.name != "where" and f.compare]
    for name in said:
        if name not in known:
            raise UnknownName(name, known, f"parameter of the edit {op}")
    return kind(**said, where=where)


def where_from_json(given: str | Mapping[str, Any]) -> Where:
    """Read a place from JSON text or a mapping, as it stands in an edit under "where"."""
    try:
        said = json.loads(given) if isinstance(given, str) else given
    except ValueError:
        said = given
    if not isinstance(said, Mapping):
        raise BadInput(f'"where" is an object such as {{"keys": ["not"]}}, not {given!r}.')
    fields = [f.name for f in dataclasses.fields(Where)]
    for name in said:
        if name not in fields:
            raise UnknownName(name, fields, 'field of "where"')
    return Where(**said)


def within(places: tuple[int, ...] | None, size: int, what: str, has: str) -> tuple[int, ...] | None:
    """The places, all from 0 to below `size`."""
    for place in places or ():
        if not 0 <= place < size:
            raise BadInput(f"There is no {what} {place}: {has} 0 to {size - 1}.")
    return places


def positions(places: Places | None, encoding: Encoding, size: int) -> tuple[int, ...] | None:
    """Positions for positions and words."""
    if places is None:
        return None
    found: list[int] = []
    for place in places:
        if isinstance(place, str):
            found.extend(encoding.find(place))
        elif 0 <= place < size:
            found.append(place)
        else:
            raise BadInput(f"There is no token {place}: the text has tokens 0 to {size - 1}.")
    return tuple(dict.fromkeys(found))
