"""A round of the shared task: sentences in two splits, a model at one revision, tracks, dates and limits."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal, get_args

from attnlab_core import __version__
from attnlab_core.errors import BadInput, UnknownName
from attnlab_core.rounds import _sources

if TYPE_CHECKING:
    from attnlab_core.tasks import Row

SCHEMA = 1
NAME = "attentionlab.round"
Track = Literal["explain", "edit", "discover"]
Split = Literal["public", "hidden"]
TRACKS: tuple[str, ...] = get_args(Track)
SPLITS: tuple[str, ...] = get_args(Split)
GOALS = ("accuracy", "gap")
PERCENTILE = 95.0
"""Attention beyond this percentile of plausibility does not count: the sentence then counts as untouched."""
DRAWS = 80
"""Sentences on which a claim is tested."""
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,47}")


@dataclass(frozen=True, kw_only=True)
class Round:
    """One round; a value that never changes. Whether it is open is for the database to say.

    Attributes:
        name: In addresses and on the command line.
        title: For people.
        about: What it is, in a few sentences.
        model: `name`, `revision`, `digest` (of its weights) and `task`.
        source: Where the sentences are from: a suite, or a data set.
        seed: Of the sentences, the splits, and what is resampled.
        tracks: Track → its settings. `edit`: `goal` ("accuracy": answer more of the goal's sentences right; "gap": bring
            the accuracies of two kinds together), `kinds` (the goal's; for a gap two), `percentile`. `discover`: `suites`
            that claims may be about, and `draws`, how many sentences are drawn.
        opens: When submissions are taken from, UTC; empty is as soon as it is opened.
        closes: Until when; empty is until somebody closes it.
        per_day: How many submissions a team has within 24 hours in a track.
        rows: All sentences. In a published round those of the hidden split lack their labels.
        hidden: The ids of the hidden split.
        lengths: Sentence → how many tokens the model reads, special ones counted.
        made: When, UTC.
        code: The version that made it.
    """

    name: str
    title: str
    about: str = ""
    model: Mapping[str, Any]
    source: Mapping[str, Any]
    seed: int = 0
    tracks: Mapping[str, Mapping[str, Any]]
    opens: str = ""
    closes: str = ""
    per_day: int = 10
    rows: tuple[Row, ...] = field(repr=False)
    hidden: frozenset[str] = field(repr=False)
    lengths: Mapping[str, int] = field(repr=False)
    made: str = ""
    code: str = __version__
    published: str = ""
    """The digest of the whole, where this is what was published of it."""

    def __post_init__(self) -> None:
        """Refuse what cannot be a round."""
        if not _NAME.fullmatch(self.name):
            raise BadInput(
                f"A round's name has 2 to 48 lower-case letters, digits and hyphens, not {self.name!r}."
            )
        for track in self.tracks:
            if track not in TRACKS:
                raise UnknownName(track, TRACKS, "track")
        if not self.tracks:
            raise BadInput(f"A round needs a track: {', '.join(TRACKS)}.")
        if self.per_day < 1:
            raise BadInput(f"A team has at least one submission a day, not {self.per_day}.")
        opens, closes = (moment(one, what) for one, what in ((self.opens, "opens"), (self.closes, "closes")))
        if opens and closes and closes <= opens:
            raise BadInput(f"The round would close at {self.closes}, before it opens at {self.opens}.")
        if len({row.id for row in self.rows}) < len(self.rows):
            raise BadInput("Two sentences have the same id, so they cannot be told apart. Give each its own.")

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the sentences with their labels, the splits, the model and the tracks."""
        if self.published:
            return self.published
        said = self.to_json(secret=True)
        kept = {name: said[name] for name in ("rows", "hidden", "model", "tracks", "seed")}
        return sha256(canonical(kept).encode()).hexdigest()

    def split(self, name: str) -> list[Row]:
        """The rows of a split, in the order of the round."""
        if name not in SPLITS:
            raise UnknownName(name, SPLITS, "split")
        return [row for row in self.rows if (row.id in self.hidden) == (name == "hidden")]

    def settings(self, track: str) -> Mapping[str, Any]:
        """What a track is about. Raises `UnknownName` where the round has no such track."""
        if track not in self.tracks:
            raise UnknownName(track, self.tracks, f"track of the round {self.name}")
        return self.tracks[track]

    def to_json(self, *, secret: bool) -> dict[str, Any]:
        """The round as one document; only with `secret` it holds the labels of the hidden split."""
        plain = ("name", "title", "about", "model", "source", "seed", "tracks", "opens", "closes", "per_day")
        said: dict[str, Any] = {"schema": NAME, "schema_version": SCHEMA}
        said |= {name: getattr(self, name) for name in plain}
        said["source"] = {key: value for key, value in self.source.items() if secret or key != "data"}
        if not secret:
            said["published"] = self.digest
            del said["seed"]  # it would draw the labels again
        said |= {"made": self.made, "code": self.code, "hidden": sorted(self.hidden)}
        said["lengths"] = dict(self.lengths)
        said["rows"] = [
            _sources.to_json(row, labels=secret or row.id not in self.hidden) for row in self.rows
        ]
        return said

    @classmethod
    def from_json(cls, given: str | Mapping[str, Any]) -> Round:
        """What `to_json` wrote.

        Raises:
            BadInput: It is no round, or of a later version than this one reads.
        """
        try:
            said = dict(json.loads(given) if isinstance(given, str) else given)
        except (ValueError, TypeError):
            said = {}
        if said.pop("schema", None) != NAME:
            raise BadInput("That is no round of the shared task. Make one with: task new.")
        version = said.pop("schema_version", None)
        if not isinstance(version, int) or version > SCHEMA:
            raise BadInput(
                f"The round is of version {version}, and this AttentionLab reads up to {SCHEMA}. Update it."
            )
        try:
            rows = tuple(_sources.from_json(row) for row in said.pop("rows"))
            return cls(rows=rows, hidden=frozenset(said.pop("hidden")), **said)
        except (KeyError, TypeError, AttributeError) as error:
            raise BadInput(f"The round is not whole ({error}). Make it anew with: task new.") from error


def moment(said: str, what: str) -> datetime | None:
    """A date as typed, in UTC where it names no zone; None where it is empty.

    >>> moment("2026-12-01T12:00+01:00", "opens").isoformat()
    '2026-12-01T11:00:00+00:00'
    """
    if not said:
        return None
    try:
        found = datetime.fromisoformat(said)
    except ValueError:
        raise BadInput(
            f"{what} is a date such as 2026-12-01 or 2026-12-01T12:00+00:00, not {said!r}."
        ) from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)


def canonical(said: Any) -> str:
    """JSON with sorted names and no spaces: the same for the same content."""
    return json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
