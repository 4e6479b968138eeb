"""The application: all route tables together, behind the doors."""

from collections.abc import Sequence
from typing import Final

from aiohttp import web

from nodeflow.server.errors import refusals
from nodeflow.server.parts import PARTS, Parts
from nodeflow.server.routing import Route, add_routes

ROUTES: Final[Sequence[Route]] = ()
"""Every operation there is."""


def make_app(parts: Parts) -> web.Application:
    """The server as aiohttp runs it."""
    app = web.Application(middlewares=[refusals, *parts.doors.middlewares], client_max_size=parts.settings.limits.body)
    app[PARTS] = parts
    add_routes(app, ROUTES)
    return app
