"""Brings a database of an older nodeflow up to this version. Loads Alembic, so it is imported only when needed."""

import sqlite3
from pathlib import Path
from typing import cast

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from nodeflow.core.errors import UsageError


def configuration() -> Config:
    """Where the migrations are."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def migrate(path: Path, connection: Connection, version: str | None) -> None:
    """Carries out what is missing, after a copy of the file was put beside it.

    Args:
        path: The file.
        connection: To it, outside a transaction.
        version: The one it has; None when it has tables, but not ours.

    Raises:
        UsageError: It is of a newer nodeflow, or no database of nodeflow at all.
    """
    config = configuration()
    if version is None:
        raise UsageError(f"{path}: is no database of nodeflow → move it away, or choose another NODEFLOW_HOME")
    if version not in {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}:
        raise UsageError(
            f"{path}: was written by a newer nodeflow (its version is {version}) → update nodeflow, "
            f"or choose another NODEFLOW_HOME"
        )
    _copy(connection, path.with_name(f"{path.name}.{version}"))
    config.attributes["connection"] = connection
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    command.upgrade(config, "head")
    connection.commit()


def _copy(connection: Connection, place: Path) -> None:
    place.unlink(missing_ok=True)
    target = sqlite3.connect(place)
    try:
        cast(sqlite3.Connection, connection.connection.driver_connection).backup(target)
    finally:
        target.close()
