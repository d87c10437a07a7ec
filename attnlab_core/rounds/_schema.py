"""The tables of shared tasks, as they are now. How a database got there is told by `migrations/versions`.

A change here goes with a new file there and a new `REVISION`; a test holds the two to each other.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import MetaData

REVISION = "0002"
"""The last file of `migrations/versions`."""
VERSIONS = "attentionlab_rounds_version"
"""The table in which Alembic keeps how far a database is."""
FACTS = ("data", "revision", "digest", "code", "seed", "metrics")
"""What stands beside every figure: hash of the data, revision and digest of the model, version of this library, the seed, and the
version of what is measured."""


@lru_cache(maxsize=1)
def described() -> MetaData:
    """All tables. Moments are seconds since 1970, in UTC."""
    from sqlalchemy import (
        Column,
        Double,
        ForeignKey,
        Index,
        Integer,
        MetaData,
        Table,
        Text,
        UniqueConstraint,
    )

    made = MetaData()

    def text(*names: str, null: bool = False) -> list[Column]:
        return [Column(name, Text, nullable=null) for name in names]

    def moments(*names: str, null: bool = False) -> list[Column]:
        return [Column(name, Double, nullable=null) for name in names]

    def table(name: str, *columns: Column | UniqueConstraint | Index, numbered: bool = False) -> None:
        Table(
            f"attentionlab_{name}", made, *columns, sqlite_autoincrement=numbered
        )  # no number is given twice

    def to(name: str, column: str = "id") -> ForeignKey:
        return ForeignKey(f"attentionlab_{name}.{column}")

    def number(name: str = "id") -> Column:
        return Column(name, Integer, primary_key=True)

    table("board", Column("id", Text, primary_key=True))
    table(
        "rounds",
        Column("name", Text, primary_key=True),
        *text("state", "title", "tracks", "opens", "closes", "digest", "document"),
        *moments("made_at"),
    )
    table(
        "dates",
        number(),
        Column("round", Text, to("rounds", "name"), nullable=False),
        *text("opens", "closes"),
        *moments("made_at"),
        numbered=True,
    )
    table(
        "teams",
        number(),
        *text("name", "folded", "salt", "hash"),
        *moments("made_at"),
        UniqueConstraint("folded", name="attentionlab_teams_folded"),
        numbered=True,
    )
    table(
        "submissions",
        number(),
        Column("round", Text, to("rounds", "name"), nullable=False),
        Column("team", Integer, to("teams")),
        *text("baseline", null=True),
        *text("track", "title", "report", "digest", "document", "draw"),
        *moments("made_at"),
        *moments("withdrawn_at", null=True),
        UniqueConstraint("round", "team", "digest", name="attentionlab_submissions_once"),
        UniqueConstraint("round", "track", "baseline", name="attentionlab_submissions_baseline"),
        numbered=True,
    )
    table(
        "jobs",
        number(),
        Column("submission", Integer, to("submissions"), nullable=False),
        *text("split", "status"),
        *text("token", "worker", "reason", null=True),
        *(Column(name, Integer, nullable=False) for name in ("attempts", "done", "total")),
        *moments("queued_at"),
        *moments("lease_until", "ended_at", null=True),
        UniqueConstraint("submission", "split", name="attentionlab_jobs_once"),
        Index("attentionlab_jobs_status", "status"),
        numbered=True,
    )
    table(
        "scores",
        Column("job", Integer, to("jobs"), primary_key=True),
        Column("values", Text, nullable=False),
        Column("facts", Text, nullable=False),
        *moments("scored_at"),
    )
    table(
        "figures",
        Column("job", Integer, to("jobs"), primary_key=True),
        Column("name", Text, primary_key=True),
        *moments("mean", "low", "high", null=True),
        Column("n", Integer),
        *text(*FACTS, null=True),
    )
    table("workers", Column("name", Text, primary_key=True), *moments("seen_at"))
    return made
