"""How an older SQL catalog becomes one of today; Alembic is loaded only when there is something to do."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Connection

_alone = threading.Lock()


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Bring the tables of a database to a revision, inside the caller's transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    with _alone:  # Alembic keeps the connection in its modules: two threads would have one between them
        command.upgrade(config, revision)
