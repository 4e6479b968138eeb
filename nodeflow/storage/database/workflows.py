"""Published workflows: versions that never change."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final, cast

from pydantic import JsonValue
from sqlalchemy import Connection, bindparam, func, insert, select

from nodeflow.storage.database.tables import workflows


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """One version of a workflow."""

    name: str
    version: int
    client: str
    published: float
    sha256: str
    title: str
    note: str
    interface: Mapping[str, JsonValue]
    schema: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWorkflow:
    """A version that is to be published; ``document`` in canonical JSON, ``schema`` that of its inputs."""

    name: str
    client: str
    published: float
    document: bytes
    sha256: str
    interface: Mapping[str, JsonValue]
    schema: Mapping[str, JsonValue]
    title: str = ""
    note: str = ""


_COLUMNS: Final = (
    workflows.c.name,
    workflows.c.version,
    workflows.c.client,
    workflows.c.published,
    workflows.c.sha256,
    workflows.c.title,
    workflows.c.note,
    workflows.c.interface,
    workflows.c.schema,
)
_LATEST: Final = select(func.max(workflows.c.version)).where(workflows.c.name == bindparam("which"))
_ONE: Final = select(*_COLUMNS).where(workflows.c.name == bindparam("which"), workflows.c.version == bindparam("of"))
_DOCUMENT: Final = select(workflows.c.document).where(
    workflows.c.name == bindparam("which"), workflows.c.version == bindparam("of")
)


def publish(connection: Connection, new: NewWorkflow) -> Workflow:
    """Keeps the next version of a workflow; the latest one is given back when it has the very same document."""
    latest = find(connection, new.name, None)
    if latest is not None and latest.sha256 == new.sha256:
        return latest
    version = 1 if latest is None else latest.version + 1
    connection.execute(
        insert(workflows), {"version": version, **{field.name: getattr(new, field.name) for field in fields(new)}}
    )
    return cast(Workflow, find(connection, new.name, version))


def find(connection: Connection, name: str, version: int | None) -> Workflow | None:
    """A version of a workflow, or its latest."""
    if version is None:
        version = connection.execute(_LATEST, {"which": name}).scalar()
    row = connection.execute(_ONE, {"which": name, "of": version}).mappings().first()
    return None if row is None else Workflow(**row)


def document(connection: Connection, name: str, version: int) -> bytes | None:
    """The document of a version."""
    return connection.execute(_DOCUMENT, {"which": name, "of": version}).scalar()


def listed(connection: Connection) -> tuple[Workflow, ...]:
    """All versions of all workflows, by name, the latest first."""
    rows = connection.execute(select(*_COLUMNS).order_by(workflows.c.name, workflows.c.version.desc())).mappings()
    return tuple([Workflow(**row) for row in rows])
