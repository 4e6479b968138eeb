"""What is old or too much goes: jobs with their events, uploads, outputs, the trash."""

from typing import TYPE_CHECKING

from nodeflow.server.settings import ServerSettings
from nodeflow.storage.home import Home

if TYPE_CHECKING:
    from nodeflow.storage.database.store import Store


class Keeper:
    """Removes in the background, little by little, what the settings do not keep."""

    def __init__(self, store: "Store", settings: ServerSettings, home: Home) -> None:
        self._store = store
        self._settings = settings
        self._home = home

    def start(self) -> None:
        """Begins."""

    async def sweep(self) -> None:
        """One round."""

    async def stop(self) -> None:
        """Ends after the batch under way."""
