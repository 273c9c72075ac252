"""Catalogs, in which runs are found: one contract (`base`), one query (`query`), one module per kind of database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis_store.errors import SettingsError

if TYPE_CHECKING:
    from analysis_store.catalogs.base import Catalog

__all__ = ["open_catalog"]


def open_catalog(uri: str) -> Catalog:
    """Return the catalog at a URI; create it on first use.

    Parameters
    ----------
    uri
        ``sqlite:///path/to/catalog.sqlite``, ``postgresql://user@host/database`` or ``mongodb://host/database``.

    Raises
    ------
    SettingsError
        The URI belongs to no supported database.
    MissingDependencyError
        The driver of the database is not installed.
    """
    scheme = uri.partition(":")[0].partition("+")[0]
    if scheme in ("sqlite", "postgresql"):
        from analysis_store.catalogs.sql.catalog import SqlCatalog

        return SqlCatalog(uri)
    if scheme == "mongodb":
        from analysis_store.catalogs.mongo.catalog import MongoCatalog

        return MongoCatalog(uri)
    raise SettingsError(
        f"Got the catalog URI {uri!r}; expected sqlite:///path/to/file, postgresql://host/database "
        "or mongodb://host/database."
    )
