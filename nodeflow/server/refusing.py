"""Changes that clients ask for; what forbids them is a refusal that says what to do."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeVar

from nodeflow.protocol.errors import Refusal
from nodeflow.storage.database.failures import StorageFailed
from nodeflow.storage.database.records import KeyReused, QueueFull

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from nodeflow.storage.database.store import Store

_LOG: Final = logging.getLogger("nodeflow.server")
_PATIENCE: Final = 5
"""Seconds after which it makes sense to ask again whether a full queue has room."""

T = TypeVar("T")


async def written(store: "Store", change: "Callable[[Connection], T]") -> T:
    """What a change gives; it is on disk when this returns.

    Raises:
        Refusal: queue.full, key.reused, server.storage.
    """
    try:
        return await store.write(change)
    except QueueFull as full:
        message = f"{full.queued} jobs wait, of at most {full.limit}"
        hint = "try again later, or cancel some of them"
        raise Refusal("queue.full", message, hint=hint, retry_after=_PATIENCE) from full
    except KeyReused as reused:
        raise reused_key(reused.id) from reused
    except StorageFailed as failed:
        raise not_kept(failed) from failed


def not_kept(failed: StorageFailed) -> Refusal:
    """What clients hear of a disk that takes nothing; where it is and why is for the log."""
    _LOG.error("%s", failed)
    message = "the disk of the server did not take it; nothing was kept"
    return Refusal("server.storage", message, hint="try again later; the log of the server has the reason")


def reused_key(id: str) -> Refusal:
    """A key came again with another body; ``id`` is what it made."""
    message = f"this key came with another body before; it made {id}"
    return Refusal("key.reused", message, hint="take a new key", detail={"id": id})


def unknown_job(id: str) -> Refusal:
    """There is none, or it is another client's, which is the same to who asks."""
    return Refusal("job.unknown", f"there is no job {id[:40]}", hint="GET /api/v1/jobs lists those there are")
