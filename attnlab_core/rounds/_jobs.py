"""Jobs: one scoring of one submission on one split, held by one worker at a time.

A worker claims a job for some seconds and extends that while it works. What it writes in the end counts only while the job
still has the token of its claim, so a job is scored once, however many workers tried.
"""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attnlab_core.rounds import _schema
from attnlab_core.rounds._entries import Claim
from attnlab_core.rounds._opened import Opened, plain

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection

    from attnlab_core.rounds._scoring import Scored

ATTEMPTS = 3
"""So often a job may take its worker down, or break off, before it is refused."""
LONGEST = 1000
"""Characters of a reason."""
_FREE: dict[str, Any] = {"token": None, "worker": None, "lease_until": None}


class Jobs(Opened):
    """What is to be scored, and who does it."""

    def waiting(self, submission: int | None = None) -> list[int]:
        """Numbers of the jobs that nobody has, the oldest first; of one submission, or of all."""
        table = self._table("jobs")
        with self._reading() as connection:
            query = table.select().with_only_columns(table.c.id).where(self._loose(self._now(connection)))
            if submission is not None:
                query = query.where(table.c.submission == submission)
            return list(connection.execute(query.order_by(table.c.id)).scalars())

    def unfinished(self) -> int:
        """How many jobs wait or are at work."""
        from sqlalchemy import func, select

        table = self._table("jobs")
        with self._reading() as connection:
            query = select(func.count()).where(table.c.status.in_(("queued", "running")))
            return int(connection.execute(query).scalar_one())

    def claim(self, job: int, worker: str, lease: float = 60) -> Claim | None:
        """Take a job for so many seconds; None where somebody else has it, or there is nothing to do."""
        table, others, token = self._table("jobs"), self._table("submissions"), secrets.token_hex(16)
        if not isinstance(job, int) or not 0 < job < 2**31:
            return None
        with self._writing() as connection:
            now = self._now(connection)
            mine = (table.c.id == job) & self._loose(now)
            spent = f"Scoring it ended its worker {ATTEMPTS} times."
            gone = {"status": "refused", "reason": spent, "ended_at": now, **_FREE}
            if self._changed(connection, mine & (table.c.attempts >= ATTEMPTS), gone):
                return None
            taken = {"status": "running", "token": token, "worker": plain(worker), "lease_until": now + lease}
            if not self._changed(connection, mine, taken | {"attempts": table.c.attempts + 1, "done": 0}):
                return None
            query = (
                table.join(others, others.c.id == table.c.submission)
                .select()
                .with_only_columns(
                    table.c.submission, table.c.split, table.c.attempts, others.c.round, others.c.draw
                )
            )
            found = connection.execute(query.where(table.c.id == job)).one()
        return Claim(
            job, token, worker, lease, found.submission, found.split, found.round, found.draw, found.attempts
        )

    def beat(self, claim: Claim, done: int, total: int) -> bool:
        """Extend a claim and say how far it is; False: it was lost or withdrawn, so the work is to stop."""
        most = 2**31 - 1
        with self._writing() as connection:
            said = {"done": min(max(done, 0), most), "total": min(max(total, 0), most)}
            return self._end(connection, claim, said | {"lease_until": self._now(connection) + claim.lease})

    def finish(self, claim: Claim, scored: Scored) -> bool:
        """Keep what came out; False where the claim was lost: then nothing is written."""
        with self._writing() as connection:
            state = self._round(connection, claim.round, "state", hold="shared").state
            jobs, now = self._table("jobs"), self._now(connection)
            ended = {"status": "scored", "done": jobs.c.total, "reason": None, "ended_at": now, **_FREE}
            if not self._end(connection, claim, ended):
                return False
            self._keep(connection, claim.job, scored, now)
            if claim.split == "public" and state == "closed":
                self._queue(connection, claim.submission, "hidden")
        return True

    def refuse(self, claim: Claim, reason: str) -> bool:
        """Say why it cannot be scored; False where the claim was lost."""
        with self._writing() as connection:
            said = {"status": "refused", "reason": _line(reason), "ended_at": self._now(connection)}
            return self._end(connection, claim, said | _FREE)

    def release(self, claim: Claim) -> bool:
        """Give a job back as it was; False where the claim was lost."""
        jobs = self._table("jobs")
        with self._writing() as connection:
            back = {"status": "queued", "attempts": jobs.c.attempts - 1, "done": 0}
            return self._end(connection, claim, back | _FREE)

    def broke(self, claim: Claim, reason: str) -> bool:
        """Scoring broke off for no fault of the submission: it is tried again, but not for ever; False where it was lost."""
        if claim.attempts >= ATTEMPTS:
            return self.refuse(claim, f"Scoring broke off {ATTEMPTS} times, at last so: {reason}")
        with self._writing() as connection:
            back = {"status": "queued", "done": 0, "reason": _line(reason)}
            return self._end(connection, claim, back | _FREE)

    def again(self, number: int) -> list[int]:
        """Queue what was refused of a submission once more, as where a worker had too little memory; the jobs' numbers."""
        jobs, others = self._table("jobs"), self._table("submissions")
        there = others.select().with_only_columns(others.c.id).where(others.c.withdrawn_at.is_(None))
        mine = (jobs.c.submission == number) & (jobs.c.status == "refused") & jobs.c.submission.in_(there)
        with self._writing() as connection:
            back = {"status": "queued", "attempts": 0, "done": 0, "reason": None, "ended_at": None}
            self._changed(connection, mine, back | {"queued_at": self._now(connection)})
        return self.waiting(number)

    # workers

    def seen(self, worker: str) -> None:
        """A worker shows itself."""
        table = self._table("workers")
        with self._writing() as connection:
            now = self._now(connection)
            if not connection.execute(
                table.update().where(table.c.name == worker).values(seen_at=now)
            ).rowcount:
                connection.execute(table.insert().values(name=worker, seen_at=now))

    def left(self, worker: str) -> None:
        """A worker ended."""
        table = self._table("workers")
        with self._writing() as connection:
            connection.execute(table.delete().where(table.c.name == worker))

    def workers(self, within: float = 60) -> list[str]:
        """Who showed itself within so many seconds."""
        table = self._table("workers")
        with self._reading() as connection:
            since = self._now(connection) - within
            query = table.select().with_only_columns(table.c.name).where(table.c.seen_at > since)
            return list(connection.execute(query.order_by(table.c.name)).scalars())

    def first(self, worker: str, within: float = 60) -> bool:
        """Show a worker if none showed itself within so many seconds; of several who ask at once, one hears True."""
        from sqlalchemy import func, select

        table = self._table("workers")
        with self._writing() as connection:
            if not self.sqlite:
                connection.execute(select(func.pg_advisory_xact_lock(0x776F726B)))
            now = self._now(connection)
            connection.execute(table.delete().where(table.c.seen_at <= now - within))
            if connection.execute(select(func.count()).select_from(table)).scalar_one():
                return False
            connection.execute(table.insert().values(name=worker, seen_at=now))
        return True

    def _loose(self, now: float) -> ColumnElement[bool]:
        """What nobody has."""
        jobs = self._table("jobs")
        return (jobs.c.status == "queued") | ((jobs.c.status == "running") & (jobs.c.lease_until <= now))

    def _end(self, connection: Connection, claim: Claim, values: Mapping[str, Any]) -> bool:
        """Change a job as long as it is claimed so."""
        jobs = self._table("jobs")
        return self._changed(connection, (jobs.c.id == claim.job) & (jobs.c.token == claim.token), values)

    def _changed(self, connection: Connection, where: ColumnElement[bool], values: Mapping[str, Any]) -> bool:
        return bool(connection.execute(self._table("jobs").update().where(where).values(**values)).rowcount)

    def _keep(self, connection: Connection, job: int, scored: Scored, now: float) -> None:
        """Write down what came out of a job."""
        said: dict[str, Any] = {"job": job, "scored_at": now}
        said["values"] = json.dumps(
            {name: [_number(v) for v in some] for name, some in scored.values.items()}
        )
        said["facts"] = json.dumps(scored.facts, allow_nan=False)
        connection.execute(self._table("scores").insert().values(said))
        beside = _beside(scored.facts)
        for name, one in scored.figures.items():
            figure = {key: _number(one.get(key)) for key in ("mean", "low", "high")}
            values = {"job": job, "name": name, "n": int(one.get("n", 0))} | figure | beside
            connection.execute(self._table("figures").insert().values(values))

    def _queue(self, connection: Connection, submission: int, split: str) -> int:
        """Add a job; its number."""
        new = {
            "submission": submission,
            "split": split,
            "status": "queued",
            "queued_at": self._now(connection),
        }
        zero = dict.fromkeys(("attempts", "done", "total"), 0)
        key = connection.execute(self._table("jobs").insert().values(**new, **zero)).inserted_primary_key
        return int(key[0]) if key else 0


def _beside(facts: Mapping[str, Any]) -> dict[str, str | None]:
    """What stands beside every figure."""
    flat = {**facts.get("model", {}), **facts}
    return {name: None if flat.get(name) is None else plain(str(flat[name])) for name in _schema.FACTS}


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _line(reason: str) -> str:
    return plain(" ".join(reason.split()))[:LONGEST]
