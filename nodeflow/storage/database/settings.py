"""What the server remembers of itself."""

from pydantic import JsonValue
from sqlalchemy import Connection, delete, insert, select

from nodeflow.storage.database.tables import settings

_PAUSED = "paused"


def get(connection: Connection, name: str) -> JsonValue:
    """What is remembered under a name; None when nothing is."""
    return connection.execute(select(settings.c.value).where(settings.c.name == name)).scalar()


def put(connection: Connection, name: str, value: JsonValue) -> None:
    """Remembers a value."""
    connection.execute(delete(settings).where(settings.c.name == name))
    connection.execute(insert(settings), {"name": name, "value": value})


def paused(connection: Connection) -> bool:
    """Whether no queued job is to begin."""
    return get(connection, _PAUSED) is True


def pause(connection: Connection, paused: bool) -> None:
    """Holds the queue, or lets it go on."""
    put(connection, _PAUSED, paused)
