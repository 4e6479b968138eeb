"""What is said when a node fails: one line for a user's mistake, the node's own frames for its author."""

import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from traceback import TracebackException
from types import TracebackType

from nodeflow.core.errors import (
    InputError,
    NodeFailed,
    NodeflowError,
    NodeUnusable,
    OutOfMemory,
    PackFailed,
    RecordedWrongly,
)
from nodeflow.core.raised import told, words_of
from nodeflow.core.resolved import ResolvedNode
from nodeflow.core.secrets import Vault

_PACKAGE = Path(__file__).parent.parent
_OWN_FOLDERS = tuple(
    f"{_PACKAGE / part}{os.sep}" for part in ("cli", "core", "engine", "session", "storage", "testing")
)
_ASKED = re.compile(r"allocate\s+(\d[\d.,]*\s*(?:[KMGT]i?B|bytes))", re.IGNORECASE)
_INPUT = re.compile(r"[.\[]")
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


class InputChanged(InputError):
    """A node changed values that others may read as well.

    Args:
        changed: Name of each changed input to what of it was changed.
    """

    def __init__(self, changed: Mapping[str, str]) -> None:
        (first, what), *others = changed.items()
        also = "".join(f"; also changed: {name} ({part})" for name, part in others)
        super().__init__(first, f"changed by the node ({what}){also}; make a copy and change that")


class EndlessExpansion(NodeflowError):
    """Expanders record each other too deeply, or too much; with two in each the levels alone would bound nothing."""


def failure_of(node: ResolvedNode, error: BaseException, vault: Vault) -> NodeFailed:
    """The error of a node as its user and its author need it, secrets masked; holds on to no frame of the node."""
    type = node.spec.id
    if isinstance(error, InputError):
        return _blamed(node, words_of(error.input), words_of(error.message), vault)
    if isinstance(error, RecordedWrongly):
        return NodeFailed(node.id, type, vault.scrub(error.told(f"{node.id}/")))
    if isinstance(error, NodeflowError):
        unusable = isinstance(error, PackFailed)
        return (NodeUnusable if unusable else NodeFailed)(node.id, type, vault.scrub(words_of(error)))
    return NodeFailed(node.id, type, vault.scrub(told(error)), traceback=vault.scrub(node_traceback(error)))


def _blamed(node: ResolvedNode, place: str, message: str, vault: Vault) -> NodeFailed:
    """A node's complaint about an input; what is none of its inputs is no place, but part of what it says."""
    if node.spec.input(_INPUT.split(place, maxsplit=1)[0]) is None:
        return NodeFailed(node.id, node.spec.id, vault.scrub(f"{place}: {message}" if place else message))
    return NodeFailed(node.id, node.spec.id, vault.scrub(message), input=vault.scrub(place))


def node_traceback(error: BaseException) -> str:
    """The traceback of ``error``, of its causes and of the errors it groups, without the frames of nodeflow itself."""
    described = TracebackException.from_exception(error)
    pending: list[TracebackException | None] = [described]
    while pending:
        current = pending.pop()
        if current is not None:
            current.stack[:] = [frame for frame in current.stack if not frame.filename.startswith(_OWN_FOLDERS)]
            pending += (current.__cause__, current.__context__, *(current.exceptions or ()))
    return "".join(described.format())


def let_go(error: BaseException) -> None:
    """Drop the frames that ``error`` and its causes hold, with all the values in them."""
    seen: set[int] = set()
    pending: list[BaseException | None] = [error]
    while pending:
        current = pending.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        _clear(current.__traceback__)
        current.__traceback__ = None
        pending += (current.__cause__, current.__context__)


def _clear(trace: TracebackType | None) -> None:
    while trace is not None:
        # A frame that is still running, such as the executor's own, cannot be cleared and need not be.
        with suppress(RuntimeError):
            trace.tb_frame.clear()
        trace = trace.tb_next


def out_of_memory(node: ResolvedNode, message: str, resident: Iterable[tuple[str, int]], cached: int) -> OutOfMemory:
    """Say what was asked for and what stood in the way.

    Args:
        message: The allocator's own words.
        resident: Results that could not be dropped, as a name and bytes.
        cached: Bytes that were dropped from the memory cache before the second try.
    """
    asked = _ASKED.search(message)
    held = ", ".join(f"{name} {size_text(nbytes)}" for name, nbytes in resident) or "no results"
    return OutOfMemory(
        node.id,
        node.spec.id,
        f"out of memory, asked for {asked[1] if asked else 'an unknown size'}; resident: {held}; "
        f"{size_text(cached)} of remembered results were dropped before a second try"
        " → a smaller picture, a smaller batch or a lower precision may fit",
    )


def size_text(nbytes: int) -> str:
    """Bytes in the largest unit that keeps the number above one."""
    size, unit = float(nbytes), 0
    while size >= 1024 and unit < len(_UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return f"{size:.1f} {_UNITS[unit]}" if unit else f"{nbytes} bytes"
