"""The second schema: notes on runs."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TEXT = sa.String(collation="C").with_variant(sa.String(collation="BINARY"), "sqlite")


def upgrade() -> None:
    """Create the table; the first schema is unchanged."""
    op.create_table(
        "note",
        sa.Column("digest", TEXT, primary_key=True),
        sa.Column("uid", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("time", sa.Double, nullable=False, comment="seconds since 1970 UTC"),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("note_uid", "note", ["uid", "kind", "time"])


def downgrade() -> None:
    """Raise: a catalog can be rebuilt from its files, but is never downgraded."""
    raise NotImplementedError("A catalog cannot be downgraded. Rebuild it from its files and logs.")
