"""The first tables: rounds, teams, submissions, jobs, scores, figures, workers."""

from __future__ import annotations

from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make them, and give the database a name of its own."""
    board = op.create_table("attentionlab_board", sa.Column("id", sa.Text, primary_key=True))
    op.bulk_insert(board, [{"id": uuid4().hex}])
    op.create_table(
        "attentionlab_rounds",
        sa.Column("name", sa.Text, primary_key=True),
        *_texts("state", "title", "tracks", "opens", "closes", "digest", "document"),
        sa.Column("made_at", sa.Double, nullable=False),
    )
    op.create_table(
        "attentionlab_teams",
        sa.Column("id", sa.Integer, primary_key=True),
        *_texts("name", "folded", "salt", "hash"),
        sa.Column("made_at", sa.Double, nullable=False),
        sa.UniqueConstraint("folded", name="attentionlab_teams_folded"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "attentionlab_submissions",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("round", sa.Text, sa.ForeignKey("attentionlab_rounds.name"), nullable=False),
        sa.Column("team", sa.Integer, sa.ForeignKey("attentionlab_teams.id")),
        sa.Column("baseline", sa.Text),
        *_texts("track", "title", "report", "digest", "document", "draw"),
        sa.Column("made_at", sa.Double, nullable=False),
        sa.Column("withdrawn_at", sa.Double),
        sa.UniqueConstraint("round", "team", "digest", name="attentionlab_submissions_once"),
        sa.UniqueConstraint("round", "track", "baseline", name="attentionlab_submissions_baseline"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "attentionlab_jobs",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("submission", sa.Integer, sa.ForeignKey("attentionlab_submissions.id"), nullable=False),
        *_texts("split", "status"),
        *(sa.Column(name, sa.Text) for name in ("token", "worker", "reason")),
        *(sa.Column(name, sa.Integer, nullable=False) for name in ("attempts", "done", "total")),
        sa.Column("queued_at", sa.Double, nullable=False),
        *(sa.Column(name, sa.Double) for name in ("lease_until", "ended_at")),
        sa.UniqueConstraint("submission", "split", name="attentionlab_jobs_once"),
        sqlite_autoincrement=True,
    )
    op.create_index("attentionlab_jobs_status", "attentionlab_jobs", ["status"])
    op.create_table(
        "attentionlab_scores",
        sa.Column("job", sa.Integer, sa.ForeignKey("attentionlab_jobs.id"), primary_key=True),
        *_texts("values", "facts"),
        sa.Column("scored_at", sa.Double, nullable=False),
    )
    op.create_table(
        "attentionlab_figures",
        sa.Column("job", sa.Integer, sa.ForeignKey("attentionlab_jobs.id"), primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        *(sa.Column(name, sa.Double) for name in ("mean", "low", "high")),
        sa.Column("n", sa.Integer),
        *(sa.Column(name, sa.Text) for name in ("data", "revision", "digest", "code", "seed", "metrics")),
    )
    op.create_table(
        "attentionlab_workers",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("seen_at", sa.Double, nullable=False),
    )


def downgrade() -> None:
    """Forget everything about shared tasks."""
    for name in ("workers", "figures", "scores", "jobs", "submissions", "teams", "rounds", "board"):
        op.drop_table(f"attentionlab_{name}")


def _texts(*names: str) -> list[sa.Column]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]
