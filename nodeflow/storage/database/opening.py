"""Opens ``server.db``: one server at a time, a sound file, the tables of this version."""

import os
import sqlite3
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import URL, Connection, create_engine, inspect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from nodeflow.core.errors import UsageError
from nodeflow.storage.database.failures import damaged, failure
from nodeflow.storage.database.tables import metadata
from nodeflow.storage.filelock import exclusive

HEAD: Final = "0001"
"""The newest migration, which ``tables`` agrees with."""

_PATIENCE: Final = 0.5
_CHECKED_BYTES: Final = 32 * 2**20
"""A larger file is not read through at the start, which is to take less than a second."""

_WRITER: Final = (
    # FULL, and the folder is synced when a rollback journal goes: the one of the switch to WAL, brought back by a power
    # cut, would empty the database.
    "PRAGMA synchronous = EXTRA",
    "PRAGMA journal_mode = WAL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA mmap_size = 0",
    "PRAGMA busy_timeout = 5000",
    "PRAGMA journal_size_limit = 67108864",
    "PRAGMA cache_size = -32768",
)
_READER: Final = (
    "PRAGMA query_only = ON",
    "PRAGMA mmap_size = 0",
    "PRAGMA busy_timeout = 5000",
    # Before 3.51.3, SQLite damages a file when one connection begins the log anew while another copies it back.
    # Only the writer ever does either; this connection, which only reads, must not begin to.
    "PRAGMA wal_autocheckpoint = 0",
    "PRAGMA cache_size = -16384",
)


class InUse(UsageError):
    """Another server has the file open."""


@dataclass(frozen=True, slots=True)
class Opened:
    """Two connections to one file, and what to give back with them, in this order: reader, writer, lock."""

    path: Path
    writer: Connection
    reader: Connection
    closing: ExitStack


def open_database(path: Path) -> Opened:
    """Opens the file, makes it when it is not there, and brings it up to this version.

    Raises:
        InUse: Another process has it open.
        UsageError: It is damaged, or it was made by a newer nodeflow.
    """
    with ExitStack() as stack:
        try:
            _lock(path, stack)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # what clients asked for is nobody else's business
            writer = _connect(path, _WRITER, stack)
            _log_is_kept(path, writer)
            _bring_up_to_date(path, writer)
            reader = _connect(path, _READER, stack)
        except (sqlite3.Error, DBAPIError) as error:
            found = failure(path, error)
            raise UsageError(str(found)) if found is not None else damaged(path, str(error)) from error
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror or error} → let this user write to its folder") from error
        return Opened(path, writer, reader, stack.pop_all())


def _lock(path: Path, stack: ExitStack) -> None:
    holder = path.with_name(f"{path.name}.pid")
    try:
        stack.enter_context(exclusive(path.with_name(f"{path.name}.lock"), _PATIENCE))
    except TimeoutError:
        raise InUse(
            f"{path}: in use by another nodeflow server{_process(holder)} → stop that one first, "
            f"or give this one a home of its own: NODEFLOW_HOME=…"
        ) from None
    holder.write_text(str(os.getpid()))


def _process(holder: Path) -> str:
    with suppress(OSError, ValueError):
        return f" (process {int(holder.read_text())})"
    return ""


def _connect(path: Path, pragmas: tuple[str, ...], stack: ExitStack) -> Connection:
    # Transactions are begun by the store itself, hence the driver's autocommit.
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        poolclass=StaticPool,
        connect_args={"check_same_thread": False, "isolation_level": None},
    )
    stack.callback(engine.dispose)
    connection = engine.connect()
    stack.callback(connection.close)
    for pragma in pragmas:
        connection.exec_driver_sql(pragma)
    connection.commit()
    return connection


def _log_is_kept(path: Path, connection: Connection) -> None:
    mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
    connection.commit()
    if mode != "wal":  # a network file system, most often; readers would then be in the way of the writer
        raise UsageError(
            f"{path}: its file system lacks the shared memory that a write-ahead log needs → "
            f"put NODEFLOW_HOME on a disk of this machine"
        )


def _bring_up_to_date(path: Path, connection: Connection) -> None:
    tables = inspect(connection).get_table_names()
    connection.commit()
    if not tables:
        _create(connection)
        return
    if path.stat().st_size <= _CHECKED_BYTES:
        found = str(connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one())
        if found != "ok":
            raise damaged(path, found.replace("\n", " "))
    version = _version(connection) if "alembic_version" in tables else None
    connection.commit()
    if version != HEAD:
        from nodeflow.storage.database.migrating import migrate  # Alembic is loaded only when it has something to do

        migrate(path, connection, version)


def _version(connection: Connection) -> str | None:
    return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()


def _create(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    metadata.create_all(connection)
    connection.exec_driver_sql(
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
        "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
    )
    connection.exec_driver_sql("INSERT INTO alembic_version VALUES (?)", (HEAD,))
    connection.commit()
