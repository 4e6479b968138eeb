"""What a server consists of; handlers find it in the application."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aiohttp import web

from nodeflow.server.settings import ServerSettings
from nodeflow.storage.home import Home

if TYPE_CHECKING:
    from nodeflow.server.dispatch import Jobs
    from nodeflow.server.hub import Hub
    from nodeflow.server.metrics import Metrics
    from nodeflow.server.pictures import Pictures
    from nodeflow.server.retention import Keeper
    from nodeflow.server.security.doors import Doors
    from nodeflow.server.webhooks import Webhooks
    from nodeflow.server.workers import Workers
    from nodeflow.session.workplace import Workplace
    from nodeflow.storage.database.store import Store


@dataclass(slots=True)
class Parts:
    """Everything behind the routes.

    Attributes:
        workplace: Packs and models as they are now; another one after a pack has changed.
        jobs: The only one that changes jobs.
        hub: Numbers events and hands them to whoever listens.
        pictures: Looks into pictures, in a process of its own.
        keeper: Removes what is old.
    """

    settings: ServerSettings
    home: Home
    workplace: "Workplace"
    store: "Store"
    hub: "Hub"
    workers: "Workers"
    jobs: "Jobs"
    doors: "Doors"
    pictures: "Pictures"
    webhooks: "Webhooks"
    keeper: "Keeper"
    metrics: "Metrics"


PARTS: Final = web.AppKey("parts", Parts)
