"""A server with the routes of streams alone, behind the real doors; jobs are moved by the test."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import aiohttp
from aiohttp import web

from nodeflow.protocol.events import JobEvent
from nodeflow.protocol.tokens import Role
from nodeflow.server.errors import refusals
from nodeflow.server.hub import Hub
from nodeflow.server.metrics import Metrics
from nodeflow.server.observing import observed
from nodeflow.server.parts import PARTS, Parts
from nodeflow.server.routes import events, health, socket
from nodeflow.server.routing import add_routes
from nodeflow.server.security.connections import Runner
from nodeflow.server.security.doors import Doors
from nodeflow.server.security.tokens import Tokens, digest_of
from nodeflow.server.settings import ServerSettings
from nodeflow.server.workers import WorkerOptions, Workers
from nodeflow.session.workplace import Workplace
from nodeflow.storage.database.store import Store
from nodeflow.storage.database.tokens import Token, add
from nodeflow.storage.home import Home

NOTHING: Any = cast(Any, None)
TOKENS = {"ann": Role.RUN, "bob": Role.RUN, "root": Role.ADMIN}


@dataclass
class Served:
    """The server, and somebody who asks it."""

    url: str
    http: aiohttp.ClientSession
    hub: Hub
    store: Store
    parts: Parts

    def headers(self, client: str = "ann", **more: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {token_of(client)}", **more}


def token_of(client: str) -> str:
    return f"nf_{client * 10}"


@asynccontextmanager
async def served(folder: Path, **settings: object) -> AsyncIterator[Served]:
    """A running server."""
    store = Store.open(folder / "server.db")
    for name, role in TOKENS.items():
        await store.write(partial(add, token=Token(name, role.value, digest_of(token_of(name)), 1.0)))
    tokens = Tokens(token_of("local"))
    await tokens.load(store)
    hub = Hub(store)
    workplace = Workplace(Home(folder), output_dir=folder / "output")
    chosen = ServerSettings.model_validate(settings)
    parts = Parts(
        settings=chosen,
        home=Home(folder),
        workplace=workplace,
        store=store,
        hub=hub,
        workers=Workers(["cpu"], workplace, WorkerOptions()),
        jobs=NOTHING,
        doors=Doors(chosen, tokens),
        pictures=NOTHING,
        webhooks=NOTHING,
        keeper=NOTHING,
        metrics=Metrics(),
    )
    hub.listen(parts.metrics.hear)
    app = web.Application(middlewares=[observed(parts.metrics), refusals, *parts.doors.middlewares])
    app[PARTS] = parts
    add_routes(app, (*events.ROUTES, *socket.ROUTES, *health.ROUTES))
    runner = Runner(app, chosen.limits, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        async with aiohttp.ClientSession() as http:
            yield Served(f"http://{host}:{port}", http, hub, store, parts)
    finally:
        await hub.aclose()
        await runner.cleanup()
        await store.aclose()


def events_in(text: bytes) -> Sequence[JobEvent]:
    """The whole events in what came of a stream so far; a broken one at the end is none."""
    whole = text[: text.rfind(b"\n\n") + 2]
    lines = (line for block in whole.split(b"\n\n") for line in block.split(b"\n"))
    return [JobEvent.model_validate_json(line[6:]) for line in lines if line.startswith(b"data: ")]
