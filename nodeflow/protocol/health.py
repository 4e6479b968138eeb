"""How a server says that it lives and whether it is ready."""

from nodeflow.protocol.base import Message


class Health(Message):
    """It answers. ``instance`` is new with every start, so that clients notice a restart."""

    status: str = "ok"
    instance: str
    version: str


class Readiness(Message):
    """Whether jobs would run now; ``missing`` says what is not there yet."""

    ready: bool
    missing: tuple[str, ...] = ()
