"""The parts of a server, put together in the order in which they need each other, and taken apart again."""

import asyncio
import logging
import os
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from nodeflow.core.errors import NodeflowError
from nodeflow.protocol.errors import Refusal
from nodeflow.server.devices import devices_of
from nodeflow.server.dispatch import Jobs
from nodeflow.server.equipment import Equipment
from nodeflow.server.hiding import Hiding
from nodeflow.server.hub import Hub
from nodeflow.server.installation import install_token
from nodeflow.server.logs import log_event, log_to
from nodeflow.server.metrics import Metrics
from nodeflow.server.parts import Parts
from nodeflow.server.pictures import Pictures
from nodeflow.server.retention import Keeper
from nodeflow.server.security.doors import Doors
from nodeflow.server.security.tokens import Tokens
from nodeflow.server.settings import ServerSettings
from nodeflow.server.sweeps import Sweeps
from nodeflow.server.webhooks import Webhooks
from nodeflow.server.workers import WorkerOptions, Workers
from nodeflow.session.workplace import Workplace
from nodeflow.storage.database.store import Store
from nodeflow.storage.home import Home
from nodeflow.storage.secrets import SecretPlaces

_LOG: Final = logging.getLogger("nodeflow.server")
_GLANCE: Final = 1.0
"""Seconds between two looks whether a pack has changed."""


@asynccontextmanager
async def assembled(settings: ServerSettings, home: Home, equipment: Equipment) -> AsyncGenerator[Parts]:
    """The parts; nothing of them runs yet, and all of them are put away at the end.

    Raises:
        UsageError: Another server has the database, a setting makes no sense, or the doors would stand open.
    """
    async with AsyncExitStack() as stack:
        workplace = Workplace(home, equipment.models_dirs, output_dir=home.output)
        secrets = SecretPlaces(os.environ, home.secrets)
        stack.callback(log_to(sys.stderr, scrub=Hiding(secrets).scrub))
        tokens = Tokens(install_token(home))
        store = await asyncio.to_thread(Store.open, home.database)
        stack.push_async_callback(store.aclose)
        await tokens.load(store)
        hub = Hub(store)
        doors = Doors(settings, tokens)
        doors.check()
        metrics = Metrics()
        webhooks = Webhooks(store, settings, secrets)
        for listener in (metrics.hear, webhooks.hear, log_event):
            hub.listen(listener)
        workers = Workers(devices_of(settings.workers), workplace, _options(settings, equipment))
        pictures = Pictures(settings.limits)
        stack.push_async_callback(pictures.aclose)
        yield Parts(
            settings=settings,
            home=home,
            workplace=workplace,
            store=store,
            hub=hub,
            workers=workers,
            jobs=Jobs(store, hub, workers, settings, home),
            doors=doors,
            pictures=pictures,
            webhooks=webhooks,
            keeper=Keeper(store, settings, home),
            metrics=metrics,
        )


@asynccontextmanager
async def running(parts: Parts, equipment: Equipment) -> AsyncGenerator[None]:
    """Jobs are carried out; at the end what runs is interrupted and waits for the next start, and streams end."""
    async with AsyncExitStack() as stack:
        stack.push_async_callback(parts.hub.aclose)
        await parts.jobs.start()
        stack.push_async_callback(parts.jobs.stop)
        sweeps = Sweeps(parts.store, parts.jobs)
        await sweeps.start()
        stack.push_async_callback(sweeps.stop)
        parts.webhooks.start()
        stack.push_async_callback(parts.webhooks.stop)
        parts.keeper.start()
        stack.push_async_callback(parts.keeper.stop)
        async with asyncio.TaskGroup() as tasks:
            beside = [tasks.create_task(_prewarm(parts, equipment.prewarm))]
            if equipment.dev:
                beside.append(tasks.create_task(_take_up_changes(parts)))
            yield
            for task in beside:
                task.cancel()


async def _prewarm(parts: Parts, documents: Sequence[bytes]) -> None:
    for document in documents:
        try:
            await parts.jobs.questions.prewarm(document)
        except (Refusal, NodeflowError) as error:
            _LOG.warning("a document to prewarm cannot run: %s", error)


async def _take_up_changes(parts: Parts) -> None:
    """Packs as they are now, for checks and for the list of nodes."""
    while True:
        try:
            parts.workplace = await asyncio.to_thread(parts.workplace.renewed)
        except NodeflowError as error:  # the author is in the middle of a change
            _LOG.warning("packs cannot be taken up: %s", error)
        await asyncio.sleep(_GLANCE)


def _options(settings: ServerSettings, equipment: Equipment) -> WorkerOptions:
    return WorkerOptions(
        dtype=equipment.dtype,
        dev=equipment.dev,
        heartbeat=settings.heartbeat_seconds,
        patience=settings.stop_seconds,
        idle_release=settings.idle_release_seconds,
    )
