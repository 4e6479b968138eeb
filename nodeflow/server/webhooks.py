"""Webhooks: who may be told of the end of jobs, and the telling."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nodeflow.core.secrets import SecretSource
from nodeflow.server.settings import ServerSettings

if TYPE_CHECKING:
    from nodeflow.storage.database.store import Store


def check_webhook(url: str, hosts: Sequence[str]) -> None:
    """Holds the address of a webhook against the hosts that the operator listed.

    Raises:
        Refusal: webhook.refused, with the reason.
    """


class Webhooks:
    """Delivers what is due, and tries again what failed."""

    def __init__(self, store: "Store", settings: ServerSettings, secrets: SecretSource) -> None:
        self._store = store
        self._settings = settings
        self._secrets = secrets

    def start(self) -> None:
        """Begins to deliver, also what an earlier server left."""

    def poke(self) -> None:
        """There is something new to deliver."""

    async def stop(self) -> None:
        """Delivers no more; what is left waits for the next start."""
