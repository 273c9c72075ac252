"""Upgrades of older SQL catalogs; Alembic is loaded only if one is needed."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Connection

_alone = threading.Lock()


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Upgrade the tables of a database to a revision, inside the caller's transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    with _alone:  # Alembic keeps the connection in its modules, which threads would share
        command.upgrade(config, revision)
