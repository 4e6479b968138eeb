"""The application: all route tables together, behind the doors."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Final

from aiohttp import web

from nodeflow.server.errors import refusals
from nodeflow.server.library import Library
from nodeflow.server.observing import observed
from nodeflow.server.parts import PARTS, Parts
from nodeflow.server.routes import (
    about,
    documents,
    events,
    files,
    health,
    jobs,
    models,
    nodes,
    outputs,
    page,
    queue,
    socket,
    sweeps,
    tokens,
    transfer,
    workflows,
)
from nodeflow.server.routes.about import DESCRIBED, Described
from nodeflow.server.routes.files import TURN
from nodeflow.server.routes.models import MODELS, ModelList
from nodeflow.server.routes.nodes import NODES, NodeLists
from nodeflow.server.routes.workflows import LIBRARY
from nodeflow.server.routing import Route, add_routes
from nodeflow.server.submission import SUBMISSION, Submission
from nodeflow.server.whereabouts import discreet

ROUTES: Final[Sequence[Route]] = (
    *jobs.ROUTES,
    *events.ROUTES,
    *queue.ROUTES,
    *transfer.ROUTES,
    *workflows.ROUTES,
    *sweeps.ROUTES,
    *files.ROUTES,
    *outputs.ROUTES,
    *documents.ROUTES,
    *nodes.ROUTES,
    *models.ROUTES,
    *tokens.ROUTES,
    *socket.ROUTES,
    *health.ROUTES,
    *about.ROUTES,
    *page.ROUTES,
)
"""Every operation there is."""


def make_app(parts: Parts) -> web.Application:
    """The server as aiohttp runs it."""
    app = web.Application(
        middlewares=[observed(parts.metrics), discreet(parts.home.root), refusals, *parts.doors.middlewares],
        client_max_size=parts.settings.limits.body,
    )
    app[PARTS] = parts
    app[SUBMISSION] = Submission(parts)
    app[NODES] = NodeLists()
    app[MODELS] = ModelList()
    app[DESCRIBED] = Described(ROUTES)
    app[TURN] = asyncio.Lock()
    app[LIBRARY] = Library(parts.store)
    app.cleanup_ctx.append(_checks)
    parts.doors.guard(app)
    add_routes(app, ROUTES)
    return app


async def _checks(app: web.Application) -> AsyncGenerator[None]:
    yield
    app[SUBMISSION].close()
