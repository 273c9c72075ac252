"""The fifth schema: what the index should hold of a run, and the seal that its file had, are known."""

from alembic import op
from sqlalchemy import BigInteger, Column, Text

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; of the runs that are there, nothing is known."""
    op.add_column("run", Column("terms", BigInteger, comment="digest of the entries of the run in term"))
    op.add_column("run", Column("seal", Text, comment="the seal of the run file"))


def downgrade() -> None:
    """Refuse: a catalog can be made anew from its files; it is never turned back."""
    raise NotImplementedError("a catalog is never turned back; rebuild it from its files and logs")
