"""Making a round: sentences drawn and parted, the model's weights noted, the tracks set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from attnlab_core import plausibility
from attnlab_core.errors import BadInput, UnknownName
from attnlab_core.rounds import _sources
from attnlab_core.rounds._format import FEWEST_OWN
from attnlab_core.rounds._round import DRAWS, GOALS, PERCENTILE, TRACKS, Round

if TYPE_CHECKING:
    from attnlab_core.lab import Lab
    from attnlab_core.tasks import Row

FEWEST = 10
"""Sentences in a split."""


def new(
    name: str,
    *,
    model: str,
    source: Mapping[str, Any],
    title: str = "",
    about: str = "",
    tracks: tuple[str, ...] = TRACKS,
    rows: int | None = 120,
    hidden: float = 0.5,
    seed: int = 0,
    goal: str = "accuracy",
    goal_kinds: tuple[str, ...] = ("*",),
    percentile: float = PERCENTILE,
    suites: tuple[str, ...] = (),
    draws: int = DRAWS,
    opens: str = "",
    closes: str = "",
    per_day: int = 10,
) -> Round:
    """Make a round: draw its sentences, part them, and note the model's revision and weights.

    Args:
        name: Of the round.
        model: A shipped name, a folder or a Hub id.
        source: `{"suite": name}` or `{"task": …, "data": …}`.
        title: For people; left out, made of the name.
        about: What it is.
        tracks: Which of `TRACKS`.
        rows: How many sentences at most; None is all. Those of one group stay together.
        hidden: The share of them that is hidden until the round closes.
        seed: Of the draw.
        goal: Of the track `edit`; see `Round.tracks`.
        goal_kinds: Which kinds of sentences the goal is about; patterns such as `*/negated`.
        percentile: Of plausibility, beyond which edited attention does not count.
        suites: What claims may be about; left out, every suite for models of this kind.
        draws: Sentences on which a claim is tested.
        opens: From when, as a date; left out, as soon as it is opened.
        closes: Until when.
        per_day: Submissions of a team and track within 24 hours.

    Raises:
        BadInput: The data do not fit the model, or there are too few sentences; or nothing is known of the plausibility
            of this model's attention, which the track `edit` needs.
    """
    from attnlab_core.models import load

    if not 0 < hidden < 1:
        raise BadInput(f"The hidden share is between 0 and 1, not {hidden}.")
    lab = load(model)
    found = [row for row in _sources.drawn(source, lab, seed) if row.gold]
    kept = _sources.some(found, rows, f"round {seed}")
    behind = _sources.some(kept, max(1, round(len(kept) * hidden)), f"hidden {seed}")
    if min(len(behind), len(kept) - len(behind)) < FEWEST:
        raise BadInput(
            f"{len(kept)} sentences make a split of fewer than {FEWEST}, of which no figure is worth much. Take more."
        )
    settings = {}
    for track in tracks:
        if track not in TRACKS:
            raise UnknownName(track, TRACKS, "track")
        if track == "explain":
            settings[track] = {"marked": any(row.rationale for row in kept)}
        elif track == "edit":
            settings[track] = _edit(lab, kept, goal, goal_kinds, percentile)
        else:
            settings[track] = _discover(lab, suites, draws, len(kept) - len(behind))
    return Round(
        name=name,
        title=title or name.replace("-", " ").capitalize(),
        about=about,
        model={
            "name": model,
            "revision": lab.revision,
            "digest": plausibility.digest(lab),
            "task": lab.task,
        },
        source=dict(source),
        seed=seed,
        tracks=settings,
        opens=opens,
        closes=closes,
        per_day=per_day,
        rows=tuple(kept),
        hidden=frozenset(row.id for row in behind),
        lengths={row.id: len(lab.encode(row.prompt).ids) for row in kept},
        made=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _edit(
    lab: Lab, rows: Sequence[Row], goal: str, patterns: Sequence[str], percentile: float
) -> dict[str, Any]:
    if goal not in GOALS:
        raise UnknownName(goal, GOALS, "goal")
    if plausibility.reference(lab) is None:
        raise BadInput(
            f"Nothing is known of what attention is usual for {lab.name}, and edits are ranked by it: fit a reference first, "
            f"with python -m attnlab_core fit --model {lab.name} --texts FILE; or leave out the track edit."
        )
    known = _sources.kinds(rows)
    meant = [kind for kind in known if any(fnmatchcase(kind, one) for one in patterns)]
    if not meant or (goal == "gap" and len(meant) != 2):
        wanted = "exactly two kinds" if goal == "gap" else "at least one kind"
        raise BadInput(
            f"The goal {goal!r} is about {wanted} of sentences, and {', '.join(patterns)} means {', '.join(meant) or 'none'}. "
            f"There are: {', '.join(known)}."
        )
    return {"goal": goal, "kinds": meant, "percentile": percentile}


def _discover(lab: Lab, wanted: Sequence[str], draws: int, public: int) -> dict[str, Any]:
    known = _sources.suites()
    for name in wanted:
        _sources.drawn({"suite": name}, lab, 0)
    suites = list(wanted) or [key for key, suite in known.items() if _sources.fits(suite, lab)]
    if not suites and public < FEWEST_OWN:
        raise BadInput(
            f"No suite fits {lab.name}, so claims are about sentences of their own, of which a round shows {FEWEST_OWN}; "
            f"this one has {public} public ones. Take more, or leave out the track discover."
        )
    return {"suites": suites, "draws": draws}
