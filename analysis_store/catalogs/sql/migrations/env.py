"""Environment that Alembic runs for each migration: on the given connection, in its transaction."""

from alembic import context

from analysis_store.catalogs.sql.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,  # SQLite supports this, though Alembic assumes otherwise
)
context.run_migrations()
