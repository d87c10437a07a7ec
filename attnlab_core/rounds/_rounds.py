"""Rounds in the database: added once, then opened, frozen and closed; their dates can be changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from attnlab_core.errors import BadInput
from attnlab_core.rounds._entries import STATES, Dates, RoundEntry, stamp
from attnlab_core.rounds._jobs import Jobs
from attnlab_core.rounds._opened import Hold, plain, rows
from attnlab_core.rounds._round import Round, moment

if TYPE_CHECKING:
    from sqlalchemy import Connection

_NEXT = {"new": ("open",), "open": ("frozen", "closed"), "frozen": ("open", "closed"), "closed": ()}


class Rounds(Jobs):
    """What can be taken part in."""

    def add_round(self, round_: Round) -> None:
        """Keep a round, not open yet. The same once more changes nothing.

        Raises:
            BadInput: There is another one of this name, or it lacks its hidden labels.
        """
        if round_.published:
            raise BadInput(
                f"That is what was published of the round {round_.name}, without the hidden labels. Give the whole one."
            )
        document = json.dumps(round_.to_json(secret=True))
        with self._writing() as connection:
            self._new(connection, round_, "new")
            kept = self._round(connection, round_.name, "document").document
        if _settings(json.loads(kept)) != _settings(json.loads(document)):
            raise BadInput(
                f"There is another round named {round_.name!r} in {self.name}. Choose another name."
            )

    def rounds(self) -> list[RoundEntry]:
        """All rounds, the last one added first."""
        from sqlalchemy import func

        table, others = self._table("rounds"), self._table("submissions")
        names = ("name", "title", "state", "opens", "closes", "tracks")
        counted = others.select().with_only_columns(func.count()).where(
            (others.c.round == table.c.name) & others.c.baseline.is_(None) & others.c.withdrawn_at.is_(None)
        )  # fmt: skip
        wanted = [*(table.c[name] for name in names), counted.scalar_subquery().label("submissions")]
        query = table.select().with_only_columns(*wanted).order_by(table.c.made_at.desc(), table.c.name)
        with self._reading() as connection:
            found = rows(connection, query)
        for one in found:
            one["tracks"] = tuple(json.loads(one["tracks"]))
        return [RoundEntry(**one) for one in found]

    def round(self, name: str) -> Round:
        """A round with its hidden labels, and with the dates that hold now: not for showing."""
        with self._reading() as connection:
            found = self._round(connection, name, "document", "opens", "closes")
        return replace(Round.from_json(found.document), opens=found.opens, closes=found.closes)

    def state(self, name: str) -> str:
        """Whether a round is new, open, frozen or closed."""
        with self._reading() as connection:
            return str(self._round(connection, name, "state").state)

    def set_state(self, name: str, state: str) -> None:
        """Open, freeze or close a round. Closing is final, and queues everything scored for the hidden split.

        Raises:
            BadInput: There is no way from its state to this one.
        """
        table, jobs, others = self._table("rounds"), self._table("jobs"), self._table("submissions")
        if state not in STATES:
            raise BadInput(f"A round is {', '.join(STATES)}; it cannot be {plain(state)[:40]!r}.")
        with self._writing() as connection:
            now = self._round(connection, name, "state", hold="alone").state
            if now == state:
                return
            if state not in _NEXT[now]:
                ways = " or ".join(_NEXT[now])
                cure = f"From there it can become {ways}." if ways else "That is final: make another round."
                raise BadInput(f"The round {name} is {now} and cannot become {state}. {cure}")
            connection.execute(table.update().where(table.c.name == name).values(state=state))
            if state == "closed":
                mine = (others.c.round == name) & others.c.withdrawn_at.is_(None)
                done = (jobs.c.split == "public") & (jobs.c.status == "scored")
                query = jobs.join(others, others.c.id == jobs.c.submission).select().where(mine & done)
                found = query.with_only_columns(jobs.c.submission).order_by(jobs.c.submission)
                for number in connection.execute(found).scalars().all():
                    self._queue(connection, number, "hidden")

    def set_dates(self, name: str, *, opens: str | None = None, closes: str | None = None) -> None:
        """Change from when or until when a round takes submissions; what it was before stays recorded.

        Args:
            name: The round.
            opens: A date as for `new`; empty is as soon as the round is open, None leaves it as it is.
            closes: The same; empty is until somebody closes it.

        Raises:
            BadInput: The round is closed, something is no date, or it would close before it opens.
        """
        table = self._table("rounds")
        with self._writing() as connection:
            found = self._round(connection, name, "state", "document", "opens", "closes", hold="alone")
            if found.state == "closed":
                raise BadInput(f"The round {name} is closed: its dates stay as they are.")
            before = {"opens": found.opens, "closes": found.closes}
            given = {
                key: plain(one) for key, one in (("opens", opens), ("closes", closes)) if one is not None
            }
            after = before | given
            replace(Round.from_json(found.document), **after)  # a round checks its dates
            if after == before:
                return
            connection.execute(table.update().where(table.c.name == found.name).values(**after))
            new = after | {"round": found.name, "made_at": self._now(connection)}
            connection.execute(self._table("dates").insert().values(**new))

    def dates(self, name: str) -> list[Dates]:
        """The dates that a round was given, one after the other; the last ones hold."""
        table, columns = self._table("dates"), ("opens", "closes", "made_at")
        with self._reading() as connection:
            first = self._round(connection, name, "document", "made_at")
            query = table.select().with_only_columns(*(table.c[one] for one in columns))
            changed = rows(connection, query.where(table.c.round == first.name).order_by(table.c.id))
        began = json.loads(first.document)
        given = [began | {"made_at": first.made_at}, *changed]
        return [Dates(one["opens"], one["closes"], stamp(one["made_at"])) for one in given]

    def _new(self, connection: Connection, round_: Round, state: str) -> bool:
        """Add a round where there is none of its name; whether there was none."""
        from sqlalchemy.dialects import postgresql, sqlite

        names = ("name", "title", "opens", "closes", "digest")
        values = {name: plain(getattr(round_, name)) for name in names} | {"state": state}
        values |= {"tracks": json.dumps(list(round_.tracks))}
        values |= {"document": json.dumps(round_.to_json(secret=True))}
        insert = (sqlite if self.sqlite else postgresql).insert(self._table("rounds"))
        new = insert.values(**values, made_at=self._now(connection)).on_conflict_do_nothing()
        return bool(connection.execute(new).rowcount)

    def _open(self, connection: Connection, name: str, hold: Hold = "") -> None:
        """Raise where a round takes nothing now."""
        found, now = (
            self._round(connection, name, "state", "opens", "closes", hold=hold),
            stamp(self._now(connection)),
        )
        opens, closes = moment(found.opens, "opens"), moment(found.closes, "closes")
        here = moment(now, "now")
        if found.state != "open" or here is None:
            raise BadInput(f"The round {name} is {found.state}: it takes no submissions now.")
        if opens and here < opens:
            raise BadInput(f"The round {name} takes submissions from {opens.isoformat()} on; it is {now}.")
        if closes and here >= closes:
            raise BadInput(f"The round {name} took submissions until {closes.isoformat()}; it is {now}.")


def _settings(document: Mapping[str, Any]) -> dict[str, Any]:
    """What makes two rounds differ, whenever they were made."""
    return {name: value for name, value in document.items() if name not in ("made", "code")}
