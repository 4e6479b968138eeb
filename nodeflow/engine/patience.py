"""Calls that are made again after a while, because the node asked for that by raising ``Retry``."""

import asyncio
from collections.abc import Awaitable, Callable

from nodeflow.core.errors import NodeflowError, Retry
from nodeflow.engine.events import Waiting
from nodeflow.engine.failures import let_go
from nodeflow.engine.noderun import RunContext

MOST_TRIES = 5
LONGEST = 86_400.0
"""Seconds that one call is put off at most."""


def pause(context: RunContext, node: str, error: Retry, tries: int) -> float:
    """How many seconds to wait before the next try, which is told.

    Args:
        tries: How often the call was made so far.

    Raises:
        NodeflowError: That was the last try; the reason is the node's.
    """
    reason = context.vault.scrub(error.reason)
    seconds = min(error.after, LONGEST) if error.after > 0 else 0.0
    let_go(error)
    if tries >= MOST_TRIES:
        asked = reason or "it asked for patience each time"
        raise NodeflowError(f"{asked} (given up after {tries} tries)")
    context.emit(Waiting(node, seconds, reason, tries))
    return seconds


async def patiently(context: RunContext, node: str, call: Callable[[], Awaitable[object]]) -> object:
    """Await ``call()``, and again as often as it asks for; nothing else waits meanwhile.

    Raises:
        NodeflowError: No try was left.
    """
    tries = 0
    while True:
        try:
            return await call()
        except Retry as error:
            tries += 1
            seconds = pause(context, node, error, tries)
        await asyncio.sleep(seconds)
