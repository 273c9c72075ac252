"""The third schema: an index finds the notes of a kind on all runs."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the index; nothing else changes."""
    op.create_index("note_kind", "note", ["kind", "digest"])


def downgrade() -> None:
    """Raise: a catalog can be rebuilt from its files, but is never downgraded."""
    raise NotImplementedError("A catalog cannot be downgraded. Rebuild it from its files and logs.")
