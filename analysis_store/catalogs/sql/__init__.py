"""The catalog in SQLite and PostgreSQL."""
