"""The fourth schema: it is known which files need not be read to find out that they name nothing."""

from alembic import op
from sqlalchemy import Boolean, Column

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; of the runs that are there, nothing is known."""
    comment = "whether the file has documents that can name others, and are not here"
    op.add_column("run", Column("more", Boolean, comment=comment))


def downgrade() -> None:
    """Refuse: a catalog can be made anew from its files; it is never turned back."""
    raise NotImplementedError("a catalog is never turned back; rebuild it from its files and logs")
