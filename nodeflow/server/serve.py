"""``nodeflow serve``: the port first, everything behind it after that, and an orderly end."""

import asyncio
import gc
import logging
import signal
from collections.abc import Callable
from importlib import import_module
from typing import Final

from nodeflow.server.equipment import Equipment
from nodeflow.server.front import Front
from nodeflow.server.installation import announced
from nodeflow.server.security.hosts import is_loopback
from nodeflow.server.settings import ServerSettings
from nodeflow.storage.home import Home
from nodeflow.version import __version__

_LOG: Final = logging.getLogger("nodeflow.server")
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_COLLECT: Final = (100_000, 50, 50)
"""How many new objects the garbage collector waits for; looking through all that the catalogue has takes 50 ms."""


def run_server(settings: ServerSettings, home: Home, equipment: Equipment | None = None) -> None:
    """Serves until SIGINT or SIGTERM; a second one ends the process at once.

    Raises:
        UsageError: It cannot start: the port is taken, another server has this home, or others could get in.
    """
    asyncio.run(_serve_process(settings, home, equipment or Equipment()))


async def _serve_process(settings: ServerSettings, home: Home, equipment: Equipment) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop(number: signal.Signals) -> None:
        stopping.set()
        loop.remove_signal_handler(number)  # from now on the signal does what it always does

    def say(line: str) -> None:
        print(line, flush=True)
        gc.freeze()  # what is there by now stays
        gc.set_threshold(*_COLLECT)

    for number in _SIGNALS:
        loop.add_signal_handler(number, stop, number)
    await serve(settings, home, equipment, stopping=stopping, say=say)


async def serve(
    settings: ServerSettings,
    home: Home,
    equipment: Equipment,
    *,
    stopping: asyncio.Event,
    say: Callable[[str], None] = lambda _: None,
) -> None:
    """Serves until ``stopping`` is set.

    The port is open before packs, database and workers are there; only a server that others could reach looks first
    whether a token keeps them out. Its address is told once the database is its own.

    Args:
        settings: See there.
        home: Where everything is.
        equipment: See there.
        stopping: Set from outside.
        say: Gets the line with the address.

    Raises:
        UsageError: See ``run_server``.
    """
    front = Front(settings)
    try:
        if is_loopback(settings.host):
            await front.open()
        await _serve_behind(front, settings, home, equipment, stopping, say)
    finally:
        await front.close()


async def _serve_behind(
    front: Front,
    settings: ServerSettings,
    home: Home,
    equipment: Equipment,
    stopping: asyncio.Event,
    say: Callable[[str], None],
) -> None:
    await asyncio.to_thread(import_module, "nodeflow.server.app")
    from nodeflow.server.app import make_app
    from nodeflow.server.assembly import assembled, running

    async with assembled(settings, home, equipment) as parts:
        url = await front.open()
        with announced(home, url):
            say(f"nodeflow {__version__}: {url}")
            await front.show(make_app(parts))
            async with running(parts, equipment):
                _LOG.info("ready to take jobs")
                await stopping.wait()
                _LOG.info("stopping")
        await front.close()
