"""The fourth schema: it records which files can name other files, so that the rest need not be read."""

from alembic import op
from sqlalchemy import Boolean, Column

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; it is unknown for existing runs."""
    comment = "whether the file has documents that can name others, and are not here"
    op.add_column("run", Column("more", Boolean, comment=comment))


def downgrade() -> None:
    """Raise: a catalog can be rebuilt from its files, but is never downgraded."""
    raise NotImplementedError("A catalog cannot be downgraded. Rebuild it from its files and logs.")
