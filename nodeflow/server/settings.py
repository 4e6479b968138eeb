"""What an operator may set, in ``[server]`` of ``config.toml`` or as options of ``nodeflow serve``."""

from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nodeflow.core.errors import UsageError
from nodeflow.core.suggest import did_you_mean

Days = Annotated[float, Field(gt=0)]
Bytes = Annotated[int, Field(gt=0)]


class Retention(BaseModel):
    """How long and how much is kept; None keeps everything. Documents and published workflows are never removed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    jobs_days: Days | None = 30.0
    jobs_count: Annotated[int, Field(gt=0)] | None = 100_000
    uploads_days: Days | None = 30.0
    uploads_bytes: Bytes | None = 20 * 2**30
    outputs_days: Days | None = None
    outputs_bytes: Bytes | None = None
    trash_days: Days = 7.0


class Limits(BaseModel):
    """What one request may ask for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    queue: Annotated[int, Field(gt=0)] = 10_000
    """Queued jobs, of all clients together."""
    body: Bytes = 32 * 2**20
    """Bytes of a JSON body."""
    upload: Bytes = 256 * 2**20
    """Bytes of one uploaded file."""
    quota: Bytes = 20 * 2**30
    """Bytes of all uploads of one client."""
    depth: Annotated[int, Field(gt=0)] = 64
    """Nesting of a JSON body."""
    nodes: Annotated[int, Field(gt=0)] = 100_000
    pixels: Annotated[int, Field(gt=0)] = 100_000_000
    """Pixels of one uploaded picture, all frames together."""
    frames: Annotated[int, Field(gt=0)] = 1000
    header_seconds: float = 10.0
    body_seconds: float = 120.0
    """Time a client has to send what it said it would."""
    connections: Annotated[int, Field(gt=0)] = 1000
    sockets: Annotated[int, Field(gt=0)] = 256
    """Open event streams and WebSockets, together."""


class ServerSettings(BaseModel):
    """Everything about a server but its places."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8188
    """0 takes a free one."""
    workers: str = "auto"
    """``cpu``, ``cpu*2,cuda:0``; auto: one for each GPU, else one for the CPU."""
    names: tuple[str, ...] = ()
    """Further host names under which clients reach this server, for the Host header: ``studio.example:8188``."""
    origins: tuple[str, ...] = ()
    """Further origins of pages that may use it."""
    require_token: bool = False
    """Ask for a token on loopback, too."""
    published_only: bool = False
    """Take no documents but published workflows."""
    webhook_hosts: tuple[str, ...] = ()
    """Hosts that may be told of jobs: ``hooks.example``, ``10.0.0.5:9000``."""
    webhook_secret: str = "webhook"
    """Name of the secret that signs webhooks."""
    start_paused: bool = False
    attempts: Annotated[int, Field(ge=1, le=10)] = 2
    """Attempts that may be lost with their worker before a job is failed."""
    heartbeat_seconds: float = 15.0
    """Silence after which a worker counts as hung."""
    stop_seconds: float = 30.0
    """What a graceful stop waits for."""
    idle_release_seconds: float | None = None
    """A worker that had nothing to do for so long gives its models and results back."""
    retention: Retention = Retention()
    limits: Limits = Limits()


_KNOWN: Final = frozenset({*ServerSettings.model_fields, *Retention.model_fields, *Limits.model_fields})
"""Names of all settings, for whoever misspells one."""


def server_settings(table: Mapping[str, object], options: Mapping[str, object]) -> ServerSettings:
    """Reads the settings; an option counts before the file.

    Raises:
        UsageError: A setting does not exist, or its value makes no sense.
    """
    try:
        return ServerSettings.model_validate({**table, **options})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        if first["type"] == "extra_forbidden":
            meant = did_you_mean(str(first["loc"][-1]), _KNOWN)
            raise UsageError(
                f"server.{name}: there is no such setting{f' → {meant}' if meant else ''}{more}"
            ) from error
        raise UsageError(f"server.{name}: {first['msg']}; found {first['input']!r}{more}") from error
