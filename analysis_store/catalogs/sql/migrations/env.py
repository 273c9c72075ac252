"""What Alembic runs for each migration: on the connection it is given, in that connection's transaction."""

from alembic import context

from analysis_store.catalogs.sql.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,  # SQLite can, though Alembic supposes that it cannot
)
context.run_migrations()
