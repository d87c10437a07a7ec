"""The rows that are always there: no edit, random, and every built-in method; submissions like any other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from attnlab_core.progress import step, unheard
from attnlab_core.rounds._format import MOST_OWN, template
from attnlab_core.rounds._scoring import model

if TYPE_CHECKING:
    from attnlab_core.rounds._round import Round

NOTHING = {"op": "scale", "factor": 1.0}


def baselines(round_: Round) -> Iterator[tuple[str, dict[str, Any]]]:
    """Names and documents of all of them, for the tracks that the round has; runs the model."""
    if "explain" in round_.tracks:
        yield from _explain(round_)
    if "edit" in round_.tracks:
        yield from _edit(round_)
    if "discover" in round_.tracks:
        yield from _discover(round_)


def example(round_: Round, track: str) -> dict[str, Any]:
    """A submission to begin with, quick to make: it explains by gradients, edits one word, or claims little."""
    round_.settings(track)
    title, about = "My submission", "What was tried, and why. Plain text."
    if track == "explain":
        (scores,) = _scored(round_, ("input_x_gradient",)).values()
        return template(round_, track, {"scores": scores}, title, about)
    if track == "edit":
        edits = [{"op": "sharpen", "by": 1.5, "where": {"layers": [0]}}]
        return template(round_, track, {"edits": edits}, title, about)
    return template(round_, track, {"claim": _claim(round_)}, title, about)


def _claim(round_: Round) -> dict[str, Any]:
    """About a suite, or where none is for this model about the sentences of the public split."""
    suites = round_.settings("discover")["suites"]
    own = [
        {"text": row.prompt.text, "label": row.gold[0]}
        | ({"second": row.prompt.second} if row.prompt.second else {})
        | ({"wrong": row.wrong} if row.wrong else {})
        for row in round_.split("public")[:MOST_OWN]
    ]
    return ({"suite": suites[0]} if suites else {"sentences": own}) | {
        "edits": [{"op": "uniform"}],
        "control": [{"op": "noise", "seed": 1}],
        "direction": "down",
        "size": 0.5,
    }


def _scored(round_: Round, names: tuple[str, ...]) -> dict[str, dict[str, list[float]]]:
    from attnlab_core.knobs import title
    from attnlab_core.methods import attribute_all, methods

    lab, known = model(round_), methods()
    found: dict[str, dict[str, list[float]]] = {title(known[name]): {} for name in names}
    for done, row in enumerate(round_.rows):
        step(done, len(round_.rows))
        with unheard():
            made = attribute_all(lab.run(row.prompt), names)
        for one in made:
            numbers = [round(float(number), 6) for number in one.scores]
            found[title(known[one.method])][row.id] = numbers
    step(len(round_.rows), len(round_.rows))
    return found


def _explain(round_: Round) -> Iterator[tuple[str, dict[str, Any]]]:
    from attnlab_core.methods import methods

    for name, scores in _scored(round_, tuple(methods())).items():
        yield name, template(round_, "explain", {"scores": scores}, name)


def _edit(round_: Round) -> Iterator[tuple[str, dict[str, Any]]]:
    from attnlab_core.experiments._conditions import usual

    yield "No edit", template(round_, "edit", {"edits": [NOTHING]}, "No edit")
    random = [{"op": "noise", "seed": round_.seed}]
    yield "Random", template(round_, "edit", {"edits": random}, "Random")
    for one in usual(model(round_), search=False):
        name = one.name[0].upper() + one.name[1:]
        edits = [edit.to_json() for edit in one.edits]
        yield name, template(round_, "edit", {"edits": edits}, name)


def _discover(round_: Round) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, edits, control in (
        ("No edit", [NOTHING], [{"op": "sharpen", "by": 1.0}]),
        ("Random", [{"op": "noise", "seed": 1}], [{"op": "noise", "seed": 2}]),
    ):
        claim = _claim(round_) | {"edits": edits, "control": control, "size": 0}
        yield name, template(round_, "discover", {"claim": claim}, name)
