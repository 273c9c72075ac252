"""The first schema: runs, lineage and the index of terms."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
UID = sa.String(collation="C").with_variant(sa.String(collation="BINARY"), "sqlite")


def upgrade() -> None:
    """Create the three tables."""
    op.create_table(
        "run",
        sa.Column("id", ID, primary_key=True),
        sa.Column("uid", UID, nullable=False),
        sa.Column("time", sa.Double, nullable=False, comment="start time, seconds since 1970 UTC"),
        sa.Column("scan_id", sa.BigInteger),
        sa.Column("path", sa.Text, nullable=False, comment="the run file, relative to the root"),
        sa.Column("start", sa.Text, nullable=False),
        sa.Column("stop", sa.Text),
        sa.Column("descriptors", sa.Text, nullable=False),
        sa.Column("beside", sa.Text, nullable=False),
    )
    op.create_index("run_uid", "run", ["uid"], unique=True)
    op.create_index("run_time", "run", ["time", "id"])
    op.create_table(
        "lineage",
        sa.Column("run", ID, sa.ForeignKey("run.id"), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("parent", UID, nullable=False),
        sa.PrimaryKeyConstraint("run", "position"),
        sqlite_with_rowid=False,
    )
    op.create_index("lineage_parent", "lineage", ["parent", "run"])
    op.create_table(
        "term",
        sa.Column("place", sa.BigInteger, nullable=False),
        sa.Column("value", sa.LargeBinary, nullable=False),
        sa.Column("time", sa.Double, nullable=False),
        sa.Column("run", ID, nullable=False),
        sa.PrimaryKeyConstraint("place", "value", "time", "run"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Raise: a catalog can be rebuilt from its files, but is never downgraded."""
    raise NotImplementedError("There is no schema before the first one. Rebuild the catalog from its files.")
