"""The fifth schema: it records the digest of each run's index entries, and the seal of its file."""

from alembic import op
from sqlalchemy import BigInteger, Column, Text

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; they are unknown for existing runs."""
    op.add_column("run", Column("terms", BigInteger, comment="digest of the entries of the run in term"))
    op.add_column("run", Column("seal", Text, comment="the seal of the run file"))


def downgrade() -> None:
    """Raise: a catalog can be rebuilt from its files, but is never downgraded."""
    raise NotImplementedError("A catalog cannot be downgraded. Rebuild it from its files and logs.")
