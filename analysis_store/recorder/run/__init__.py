"""A recording that becomes an analysis run when it is closed."""
