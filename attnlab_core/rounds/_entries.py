"""What the database of shared tasks says: frozen records in plain types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

STATES = ("new", "open", "frozen", "closed")
STATUSES = ("queued", "running", "scored", "refused", "withdrawn")
HOUSE = "AttentionLab"
"""Whose the baselines are; no team can have this name."""


@dataclass(frozen=True)
class RoundEntry:
    """What a list says of a round.

    Attributes:
        name: In addresses.
        title: For people.
        state: One of `STATES`.
        opens: From when submissions are taken; empty is as soon as it is open.
        closes: Until when; empty is until somebody closes it.
        tracks: Their names.
        submissions: How many there are, without baselines and withdrawn ones.
    """

    name: str
    title: str
    state: str
    opens: str
    closes: str
    tracks: tuple[str, ...]
    submissions: int

    def to_json(self) -> dict[str, Any]:
        """In plain types."""
        return asdict(self) | {"tracks": list(self.tracks)}


@dataclass(frozen=True)
class Dates:
    """From when until when a round takes submissions.

    Attributes:
        opens: From when; empty is as soon as it is open.
        closes: Until when; empty is until somebody closes it.
        since: When the organiser said so, UTC.
    """

    opens: str
    closes: str
    since: str

    def to_json(self) -> dict[str, Any]:
        """In plain types."""
        return asdict(self)


@dataclass(frozen=True)
class Entry:
    """A submission, without its content.

    Attributes:
        number: None is given twice.
        round: Its round's name.
        track: Its track.
        team: Whose it is.
        title: In the table.
        report: What its authors say of it; text, never markup.
        made: When it came, UTC.
        baseline: Whether it is one of the rows that are always there.
        status: One of `STATUSES`: that of its newest scoring, or withdrawn.
        done: How much of the scoring is done,
        total: of how much; 0 where it has not begun.
        reason: Why it was refused, or why scoring broke off last.
        digest: Of what counts in it.
    """

    number: int
    round: str
    track: str
    team: str
    title: str
    report: str
    made: str
    baseline: bool
    status: str
    done: int
    total: int
    reason: str
    digest: str

    def to_json(self) -> dict[str, Any]:
        """In plain types."""
        return asdict(self)


@dataclass(frozen=True)
class Claim:
    """A job that one worker has, as long as its lease is extended and its token is the job's."""

    job: int
    token: str
    worker: str
    lease: float
    submission: int
    split: str
    round: str
    draw: str
    attempts: int


@dataclass(frozen=True)
class Result:
    """What scoring a submission on a split gave.

    Attributes:
        entry: The submission.
        figures: Name → mean, low, high and n; NaN where a number is unknown.
        values: Name → one number a sentence, None where it is undefined.
        facts: Hash of the data, model, versions, seed, notes.
        scored: When, UTC.
    """

    entry: Entry
    figures: Mapping[str, Mapping[str, float | int]]
    values: Mapping[str, list[float | None]]
    facts: Mapping[str, Any]
    scored: str


def stamp(moment: float) -> str:
    """A moment in UTC, to the second.

    >>> stamp(0.9)
    '1970-01-01T00:00:00+00:00'
    """
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
