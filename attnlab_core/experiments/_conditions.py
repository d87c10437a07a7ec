"""What an evaluation does to a model: edits, or a search for each row; and the list of the usual ones."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from attnlab_core.edits import Edit, edit_from_json
from attnlab_core.errors import BadInput

if TYPE_CHECKING:
    from attnlab_core.lab import Lab

Layers = tuple[int, ...] | None


@dataclass(frozen=True)
class Condition:
    """One way in which attention is changed.

    Attributes:
        name: In tables.
        edits: In the order in which they act.
        search: Instead of edits: search attention for each row that makes its right answer likely ("towards"), or the
            strongest other one ("away").
        plausibility: λ of the search.
        layers: The only layers in which it acts; None leaves that to the edits.
    """

    name: str
    edits: tuple[Edit, ...] = ()
    search: Literal["", "towards", "away"] = ""
    plausibility: float = 1.0
    layers: Layers = None

    def __post_init__(self) -> None:
        """Refuse what does nothing, or two things at once."""
        if bool(self.edits) == bool(self.search):
            raise BadInput(
                f"The condition {self.name!r} needs edits, or a search, not {'both' if self.edits else 'neither'}."
            )
        if self.search not in ("", "towards", "away"):
            raise BadInput(
                f'A search goes "towards" the right answer or "away" from it, not {self.search!r}.'
            )

    @property
    def placed(self) -> tuple[Edit, ...]:
        """The edits in its layers."""
        if self.layers is None:
            return self.edits
        for edit in self.edits:
            if edit.where.layers is not None and edit.where.layers != self.layers:
                raise BadInput(f"The edit {edit} names its layers itself: leave the layer sets out.")
        places = [dataclasses.replace(edit.where, layers=self.layers) for edit in self.edits]
        return tuple(
            dataclasses.replace(edit, where=where) for edit, where in zip(self.edits, places, strict=True)
        )

    def to_json(self) -> dict[str, Any]:
        """Plain types; what is not set stays out."""
        said: dict[str, Any] = {"name": self.name}
        if self.edits:
            said["edits"] = [edit.to_json() for edit in self.edits]
        if self.search:
            said |= {"search": self.search, "plausibility": self.plausibility}
        return said if self.layers is None else said | {"layers": list(self.layers)}


def condition_from_json(said: Mapping[str, Any]) -> Condition:
    """What `Condition.to_json` wrote."""
    try:
        given: dict[str, Any] = dict(said)
        given["edits"] = tuple(edit_from_json(edit) for edit in given.get("edits", ()))
        given["layers"] = None if given.get("layers") is None else tuple(given["layers"])
        return Condition(**given)
    except (TypeError, KeyError) as error:
        raise BadInput(
            f"A condition has a name, and edits or a search, not {json.dumps(said)[:80]}."
        ) from error


def in_layers(conditions: Sequence[Condition], sets: Sequence[Layers]) -> tuple[Condition, ...]:
    """Every condition in every set of layers; None among the sets is all layers."""
    return tuple(
        dataclasses.replace(
            one, layers=layers, name=one.name if layers is None else f"{one.name}, {_said(layers)}"
        )
        for one in conditions
        for layers in sets
    )


def _said(layers: tuple[int, ...]) -> str:
    """A set of layers as a person writes it: layers 0-2."""
    if len(layers) > 1 and layers == tuple(range(layers[0], layers[-1] + 1)):
        return f"layers {layers[0]}-{layers[-1]}"
    return f"layer{'s' if len(layers) > 1 else ''} {', '.join(map(str, layers))}"


def layers_from_text(text: str) -> Layers:
    """A set of layers as typed: "all", "3", "0-2", "0,2,4-5".

    >>> layers_from_text("0,2-4")
    (0, 2, 3, 4)
    """
    if text.strip() == "all":
        return None
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise BadInput(f"Layers are all, or numbers such as 0,2,4-5, not {text!r}.")
        found += range(int(first), int(last or first) + 1)
    if not found:
        raise BadInput(f"Layers are all, or numbers such as 0,2,4-5, not {text!r}: that range is empty.")
    return tuple(sorted(set(found)))


def usual(lab: Lab, *, search: bool = True, donors: Sequence[str] | None = None) -> tuple[Condition, ...]:
    """The conditions that a first look takes: inversion, focusing, smoothing over widths, transfer, optimisation.

    Args:
        lab: The model.
        search: With optimisation, which is slow: a search for each row.
        donors: Models whose attention is put in the place of its own; by default the shipped ones of the same shape, of
            which there may be none. Its own attention, put back, is always among them: it must change nothing.
    """
    from attnlab_core.edits.invert import Invert
    from attnlab_core.edits.sharpen import Sharpen
    from attnlab_core.edits.smooth import Smooth
    from attnlab_core.edits.soften import Soften
    from attnlab_core.edits.transplant import Transplant
    from attnlab_core.edits.uniform import Uniform

    found = [
        Condition("invert", (Invert(),)),
        *(Condition(f"sharpen by {by:g}", (Sharpen(by=by),)) for by in (1.5, 2.0, 4.0)),
        *(Condition(f"soften by {by:g}", (Soften(by=by),)) for by in (2.0,)),
        *(Condition(f"smooth, width {width:g}", (Smooth(width=width),)) for width in (0.5, 1.0, 2.0, 4.0)),
        Condition("uniform", (Uniform(),)),
        Condition("its own attention put back", (Transplant(),)),
    ]
    found += [
        Condition(f"attention of {name}", (Transplant(model=name),))
        for name in (like(lab) if donors is None else donors)
    ]
    if search:
        found += [Condition(f"optimised {way}", search=way) for way in ("towards", "away")]
    return tuple(found)


def like(lab: Lab) -> list[str]:
    """The other shipped models of the same family, with as many layers, heads and words."""
    from attnlab_core.models import shipped

    if lab.loader is None:
        return []
    own = _size(lab.config.to_dict())
    files = {name: card.folder / "config.json" for name, card in shipped().items() if name != lab.name}
    return [
        name for name, file in files.items() if _size(json.loads(file.read_text(encoding="utf-8"))) == own
    ]


def _size(config: Mapping[str, Any]) -> tuple[Any, ...]:
    names = ("model_type", "vocab_size", "num_hidden_layers", "n_layer", "num_attention_heads", "n_head")
    return tuple(config.get(name) for name in names)
