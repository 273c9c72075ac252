"""The third schema: the notes of a kind are found, whatever run they are on."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the index; nothing else changes."""
    op.create_index("note_kind", "note", ["kind", "digest"])


def downgrade() -> None:
    """Refuse: a catalog can be made anew from its files; it is never turned back."""
    raise NotImplementedError("a catalog is never turned back; rebuild it from its files and logs")
