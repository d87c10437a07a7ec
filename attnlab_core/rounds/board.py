"""The board: rounds, teams, submissions and their scores in one database. Nothing else talks to it.

>>> from tempfile import TemporaryDirectory
>>> with TemporaryDirectory() as folder:
...     Board(f"{folder}/results.db").rounds()
[]

SQLAlchemy is imported when a board is opened, not before.
"""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attnlab_core.errors import BadInput
from attnlab_core.rounds._document import Submission, read
from attnlab_core.rounds._entries import HOUSE, Claim, Dates, Entry, Result, RoundEntry, stamp
from attnlab_core.rounds._opened import plain, rows
from attnlab_core.rounds._round import SPLITS
from attnlab_core.rounds._rounds import Rounds
from attnlab_core.rounds._teams import DAY, Teams

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Select

    from attnlab_core.rounds._round import Round
    from attnlab_core.rounds._scoring import Scored

__all__ = ["Board", "Claim", "Dates", "Entry", "Result", "RoundEntry"]
Raw = bytes | str | Mapping[str, Any]
Worked = tuple[str, Submission, Mapping[str, "Scored"]]


class Board(Rounds, Teams):
    """The database of shared tasks, opened; its tables are brought up to date. Several processes may use it at once.

    Args:
        url: As for `attnlab_core.store.Store`: a URL or a file; None takes ATTENTIONLAB_DB, else the user's own file.
        clock: Gives seconds since 1970; None is the database's own clock.

    Raises:
        BadInput: Nothing answers there, it is no SQLite or PostgreSQL, or a later version made it. All methods raise it
            where the database does not answer as it should, and where there is no such round or submission.
    """

    def submit(self, round_name: str, team: str, key: str, raw: Raw) -> int:
        """Take a submission and queue its scoring on the public split; its number.

        Raises:
            Refused: Something in the document is wrong.
            BadInput: The team's key, the round's state and dates, the daily limit, or the same was submitted before.
        """
        member = self._known(team, key)
        with self._reading() as connection:
            self._open(connection, round_name)
        round_ = self.round(round_name)
        given = read(raw, round_)
        table = self._table("submissions")
        with self._writing() as connection:
            self._open(connection, round_name, "shared")
            self._hold(connection, member)
            mine = (table.c.round == round_.name) & (table.c.team == member)
            self._refuse_again(connection, mine & (table.c.digest == given.digest))
            today = mine & (table.c.track == given.track) & (table.c.made_at > self._now(connection) - DAY)
            query = (
                table.select()
                .with_only_columns(table.c.made_at)
                .where(today)
                .order_by(table.c.made_at.desc())
            )
            moments = connection.execute(query.limit(round_.per_day)).scalars().all()
            if len(moments) >= round_.per_day:
                free = stamp(moments[-1] + DAY)
                raise BadInput(
                    f"A team has {round_.per_day} submissions within 24 hours in a track. The next one is taken from {free} on."
                )
            return self._add(connection, round_.name, given, team=member)

    def add_baseline(self, round_name: str, raw: Raw, name: str) -> int:
        """Add a row that is always there; its number. The same once more changes nothing.

        Raises:
            Refused: Something in the document is wrong.
            BadInput: Another one of this name is in its track, or the round is closed.
        """
        given, table = read(raw, self.round(round_name)), self._table("submissions")
        with self._writing() as connection:
            if self._round(connection, round_name, "state", hold="alone").state == "closed":
                raise BadInput(f"The round {round_name} is closed: nothing can be added.")
            mine = (table.c.round == round_name) & (table.c.track == given.track) & (table.c.baseline == name)
            found = connection.execute(table.select().where(mine)).first()
            if found is None:
                return self._add(connection, round_name, given, baseline=name)
        if found.digest != given.digest:
            raise BadInput(f"Baseline {name!r} of the track {given.track} is there already, as {found.id}.")
        return int(found.id)

    def add_worked(self, round_: Round, baselines: Sequence[Worked]) -> bool:
        """Add a closed round whose baselines are scored already, where no round is kept yet; all of it or nothing.

        Args:
            round_: The whole of it.
            baselines: Name, checked document, and what came out on each split.

        Returns:
            Whether it was added.
        """
        jobs, done = self._table("jobs"), {"status": "scored"}
        with self._writing() as connection:
            there = connection.execute(self._table("rounds").select().limit(1)).first()
            if there is not None or not self._new(connection, round_, "closed"):
                return False
            now = self._now(connection)
            for name, given, scored in baselines:
                number = self._add(connection, round_.name, given, baseline=name)
                self._queue(connection, number, "hidden")
                mine = jobs.select().where(jobs.c.submission == number)
                for job in rows(connection, mine.with_only_columns(jobs.c.id, jobs.c.split)):
                    self._changed(connection, jobs.c.id == job["id"], done | {"ended_at": now})
                    self._keep(connection, job["id"], scored[job["split"]], now)
        return True

    def submission(self, number: int) -> Entry:
        """A submission by its number."""
        table = self._table("submissions")
        with self._reading() as connection:
            found = self._entries(connection, table.c.id == _known(number))
        if not found:
            raise self._none(number)
        return found[0]

    def submissions(
        self, round_name: str, *, team: str | None = None, track: str | None = None
    ) -> list[Entry]:
        """The submissions to a round, the first one first; of one team or one track, where given."""
        table = self._table("submissions")
        with self._reading() as connection:
            self._round(connection, round_name)
            wanted = table.c.round == round_name
            if track is not None:
                wanted &= table.c.track == plain(track)
            if team is not None:
                wanted &= table.c.team == (self._team(connection, team) or 0)
            return self._entries(connection, wanted)

    def document(self, number: int) -> Submission:
        """The content of a submission, as it was checked."""
        table = self._table("submissions")
        query = table.select().with_only_columns(table.c.document).where(table.c.id == _known(number))
        with self._reading() as connection:
            found = connection.execute(query).scalar()
        if found is None:
            raise self._none(number)
        return Submission.from_json(json.loads(found))

    def withdraw(self, number: int, team: str, key: str) -> None:
        """Take a submission back: it is shown and scored no more. It still counts as one of its day."""
        member, table, jobs = self._known(team, key), self._table("submissions"), self._table("jobs")
        with self._writing() as connection:
            now = self._now(connection)
            mine = (table.c.id == _known(number)) & (table.c.team == member)
            found = connection.execute(table.select().with_only_columns(table.c.round).where(mine)).scalar()
            if found is None:
                raise BadInput(f"This team has no submission {number}. See what it has: submit list.")
            self._round(connection, found, hold="shared")
            connection.execute(
                table.update().where(mine & table.c.withdrawn_at.is_(None)).values(withdrawn_at=now)
            )
            at_work = (jobs.c.submission == number) & jobs.c.status.in_(("queued", "running"))
            ended = {
                "status": "withdrawn",
                "token": None,
                "worker": None,
                "lease_until": None,
                "ended_at": now,
            }
            self._changed(connection, at_work, ended)

    def results(self, round_name: str, track: str, split: str) -> list[Result]:
        """What was scored on a split of what was not withdrawn, the first submission first."""
        if split not in SPLITS:
            raise BadInput(f"A split is {' or '.join(SPLITS)}, not {plain(split)[:40]!r}.")
        table, jobs = self._table("submissions"), self._table("jobs")
        scores, figures = self._table("scores"), self._table("figures")
        meant = (
            (table.c.round == round_name) & (table.c.track == plain(track)) & table.c.withdrawn_at.is_(None)
        )
        done = meant & (jobs.c.split == split) & (jobs.c.status == "scored")
        both = jobs.join(table, table.c.id == jobs.c.submission)
        with self._reading() as connection:
            self._round(connection, round_name)
            entries = {entry.number: entry for entry in self._entries(connection, meant)}
            query = both.join(scores, scores.c.job == jobs.c.id).select().where(done).order_by(table.c.id)
            found = rows(connection, query.with_only_columns(jobs.c.submission, *scores.c))
            query = both.join(figures, figures.c.job == jobs.c.id).select().where(done)
            each: dict[int, dict[str, dict[str, float | int]]] = {}
            for one in rows(connection, query.with_only_columns(*figures.c)):
                numbers = {
                    name: math.nan if one[name] is None else one[name] for name in ("mean", "low", "high")
                }
                each.setdefault(one["job"], {})[one["name"]] = numbers | {"n": one["n"]}
        return [
            Result(
                entries[one["submission"]], each.get(one["job"], {}), json.loads(one["values"]),
                json.loads(one["facts"]), stamp(one["scored_at"]),
            )
            for one in found if one["submission"] in entries
        ]  # fmt: skip

    def _refuse_again(self, connection: Connection, same: ColumnElement[bool]) -> None:
        table = self._table("submissions")
        found = connection.execute(table.select().where(same)).first()
        if found is not None:
            gone = ", and was withdrawn" if found.withdrawn_at is not None else ""
            raise BadInput(f"The same was submitted before: it is submission {found.id}{gone}.")

    def _add(self, connection: Connection, name: str, given: Submission, **whose: Any) -> int:
        values = {"round": name, "track": given.track, "digest": given.digest, "draw": secrets.token_hex(16)}
        values |= {"title": plain(given.title), "report": plain(given.report)}
        values |= {"document": json.dumps(given.to_json()), "made_at": self._now(connection)}
        table = self._table("submissions")
        key = connection.execute(table.insert().values(**values, **whose)).inserted_primary_key
        number = int(key[0]) if key else 0
        self._queue(connection, number, "public")
        return number

    def _entries(self, connection: Connection, wanted: ColumnElement[bool]) -> list[Entry]:
        return [_entry(one) for one in rows(connection, self._listed(wanted))]

    def _listed(self, wanted: ColumnElement[bool]) -> Select:
        from sqlalchemy import func

        table, teams, jobs = (self._table(name) for name in ("submissions", "teams", "jobs"))
        newest = jobs.select().with_only_columns(func.max(jobs.c.id)).where(jobs.c.submission == table.c.id)
        joined = table.join(jobs, jobs.c.id == newest.correlate(table).scalar_subquery())
        names = ("id", "round", "track", "baseline", "title", "report", "digest", "made_at", "withdrawn_at")
        columns = [*(table.c[name] for name in names), teams.c.name.label("team")]
        columns += [jobs.c[name] for name in ("status", "done", "total", "reason")]
        query = joined.outerjoin(teams, teams.c.id == table.c.team).select().with_only_columns(*columns)
        return query.where(wanted).order_by(table.c.id)

    def _none(self, number: int) -> BadInput:
        return BadInput(f"There is no submission {number} in {self.name}. See what there is: leaderboard.")


def _entry(said: Mapping[str, Any]) -> Entry:
    same = ("round", "track", "title", "report", "done", "total", "digest")
    return Entry(
        **{name: said[name] for name in same},
        number=said["id"],
        team=said["team"] or HOUSE,
        made=stamp(said["made_at"]),
        baseline=said["baseline"] is not None,
        status=said["status"] if said["withdrawn_at"] is None else "withdrawn",
        reason=said["reason"] or "",
    )


def _known(number: int) -> int:
    """A number that a database can look for; none has 0."""
    return number if 0 < number < 2**31 else 0
