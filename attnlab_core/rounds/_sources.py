"""Where the sentences of a round, and those of a claim, come from: a study's suite or a data set."""

from __future__ import annotations

import importlib
import random
import sys
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attnlab_core import serving
from attnlab_core.errors import BadInput, UnknownName
from attnlab_core.prompt import Prompt
from attnlab_core.tasks import Row, Stretch, task_from_json
from attnlab_core.tasks.custom import Custom

if TYPE_CHECKING:
    from attnlab_core.lab import Lab


def suites() -> Mapping[str, Any]:
    """The case studies' generators of sentences, by name; each makes other sentences for another seed."""
    folder = str(serving.home())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    found: Mapping[str, Any] = importlib.import_module("case_studies._suites").SUITES
    return found


def fits(suite: Any, lab: Lab) -> bool:
    """Whether a model can answer a suite."""
    return lab.task == suite.asks and suite.labels <= {label.lower() for label in lab.labels}


def drawn(source: Mapping[str, Any], lab: Lab | None, seed: int) -> list[Row]:
    """All sentences of a source.

    Args:
        source: `{"suite": name}`, or `{"task": …, "data": …}` with the JSON of a task and where its data are.
        lab: Who is to answer.
        seed: Of what is made up.

    Raises:
        UnknownName: No such suite or task.
        BadInput: The data are not there, or are not for this model.
    """
    if "suite" in source:
        known = suites()
        if source["suite"] not in known:
            raise UnknownName(str(source["suite"]), known, "suite")
        suite = known[source["suite"]]
        if lab is not None and not fits(suite, lab):
            named = f" with the labels {', '.join(sorted(suite.labels))}" if suite.labels else ""
            raise BadInput(
                f"The suite {source['suite']!r} asks a model for {suite.asks}{named}; {lab.name} is for {lab.task}"
                f"{' with ' + ', '.join(lab.labels) if lab.labels else ''}. Choose another model."
            )
        found = suite.rows(seed)
        return list(found) if lab is None else [Custom().fitted(row, lab) for row in found]
    task = task_from_json(source["task"])
    data = source.get("data")
    return list(task.rows(None if data is None else Path(data), lab=lab, seed=seed))


def some(rows: Sequence[Row], limit: int | None, seed: str) -> list[Row]:
    """So many rows in an order shuffled by `seed`; rows of one group stay together."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.group or f"\0{row.id}", []).append(row)
    names = list(groups)
    random.Random(seed).shuffle(names)
    found: list[Row] = []
    for name in names:
        if limit is not None and len(found) + len(groups[name]) > limit:
            continue
        found += groups[name]
    return found


def drawn_for(claim: Mapping[str, Any], draws: int, lab: Lab, seed: int) -> list[Row]:
    """The sentences that a claim is tested on: fresh ones of its suite, or at most half of its own."""
    if "sentences" in claim:
        own = [
            Row(f"own-{k}", Prompt(one["text"], one.get("second")), (one["label"],), one.get("wrong"))
            for k, one in enumerate(claim["sentences"])
        ]
        known = {label.lower(): label for label in lab.labels} if lab.task == "classification" else None
        for k, row in enumerate(own):
            if known is not None and row.gold[0].lower() not in known:
                raise BadInput(
                    f"claim/sentences/{k}/label: the model has no label {row.gold[0]!r}. Its labels are {', '.join(lab.labels)}."
                )
        return some(own, min(draws, max(1, len(own) // 2)), f"claim {seed}")
    wanted = claim.get("kinds", ["*"])
    rows = [
        row
        for row in drawn({"suite": claim["suite"]}, lab, seed)
        if row.gold and any(fnmatchcase(row.kind, one) for one in wanted)
    ]
    if not rows:
        raise BadInput(
            f"claim/kinds: no sentence of the suite {claim['suite']!r} is of the kinds {', '.join(wanted)}."
        )
    return some(rows, draws, f"claim {seed}")


def to_json(row: Row, *, labels: bool = True) -> dict[str, Any]:
    """A row in plain types; without `labels` nothing of what is right, nor why."""
    said: dict[str, Any] = {"id": row.id, "text": row.prompt.text}
    if row.prompt.second is not None:
        said["second"] = row.prompt.second
    if labels:
        said["gold"] = list(row.gold)
        if row.wrong is not None:
            said["wrong"] = row.wrong
        if row.rationale is not None:
            said["rationale"] = [[one.segment, one.start, one.end] for one in row.stretches]
    return said | ({"kind": row.kind} if row.kind else {}) | ({"group": row.group} if row.group else {})


def from_json(said: Mapping[str, Any]) -> Row:
    """What `to_json` wrote."""
    marked = said.get("rationale")
    return Row(
        said["id"],
        Prompt(said["text"], said.get("second")),
        tuple(said.get("gold", ())),
        said.get("wrong"),
        None if marked is None else tuple(Stretch(*place) for place in marked),
        said.get("kind", ""),
        said.get("group", ""),
    )


def kinds(rows: Iterable[Row]) -> list[str]:
    """The kinds of some rows, each once."""
    return list(dict.fromkeys(row.kind for row in rows))
