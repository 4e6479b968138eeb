"""Alembic's way in: migrates the connection it was handed, or the database that ``-x file=…`` names."""

from pathlib import Path

from alembic import context
from sqlalchemy import Connection, create_engine

from nodeflow.storage.database.tables import metadata


def _migrate(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
    with context.begin_transaction():
        context.run_migrations()


def _run() -> None:
    connection = context.config.attributes.get("connection")
    if connection is not None:
        _migrate(connection)
        return
    file = Path(context.get_x_argument(as_dictionary=True)["file"])
    with create_engine(f"sqlite:///{file}").begin() as opened:
        _migrate(opened)


_run()
