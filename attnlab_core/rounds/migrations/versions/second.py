"""The dates that rounds were given later."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make their table."""
    op.create_table(
        "attentionlab_dates",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("round", sa.Text, sa.ForeignKey("attentionlab_rounds.name"), nullable=False),
        sa.Column("opens", sa.Text, nullable=False),
        sa.Column("closes", sa.Text, nullable=False),
        sa.Column("made_at", sa.Double, nullable=False),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    """Forget when dates were changed; the last ones hold."""
    op.drop_table("attentionlab_dates")
