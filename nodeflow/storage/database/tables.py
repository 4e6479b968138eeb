"""The tables of ``server.db``; a migration in ``migrations/versions`` goes with every change.

Moments are seconds since 1970. Ids are texts in the order in which they were made. What is asked for by parts has
columns of its own, the rest is JSON.
"""

from typing import Any, Final

from sqlalchemy import Column, ForeignKey, Index, MetaData, Named, Table, TypedColumns, literal_column, text

from nodeflow.storage.database.columntypes import Json

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _of(target: str) -> ForeignKey:
    return ForeignKey(target, ondelete="CASCADE")


class JobColumns(TypedColumns):
    """A job, without what is big: rows stay small, since lists read many of them."""

    id: Named[str] = Column(primary_key=True)
    client: Named[str]
    state: Named[str]
    priority: Named[int]
    title: Named[str]
    workflow: Named[str]
    sweep: Named[str]
    point: Named[int | None]
    key: Named[str | None]
    body_digest: Named[str]
    webhook: Named[str | None]
    deadline: Named[float | None]
    metadata: Named[Any] = Column(Json, nullable=False)
    models: Named[Any] = Column(Json, nullable=False)
    retry_of: Named[str]
    created: Named[float]
    started: Named[float | None]
    finished: Named[float | None]
    cancelling: Named[float | None]
    attempt: Named[int]
    """The attempt that runs, or ran last; 0 before the first."""


jobs: Final = Table("jobs", metadata, JobColumns, sqlite_with_rowid=False)
Index("ix_jobs_client_state_id", jobs.c.client, jobs.c.state, jobs.c.id)
Index("ix_jobs_state_id", jobs.c.state, jobs.c.id)
Index("ix_jobs_sweep_id", jobs.c.sweep, jobs.c.id, sqlite_where=text("sweep <> ''"))
Index("ix_jobs_workflow_id", jobs.c.workflow, jobs.c.id, sqlite_where=text("workflow <> ''"))
Index("ix_jobs_finished", jobs.c.finished, sqlite_where=text("finished IS NOT NULL"))
Index("uq_jobs_client_key", jobs.c.client, jobs.c.key, unique=True, sqlite_where=text("key IS NOT NULL"))


IN_SWEEP: Final = jobs.c.sweep != literal_column("''")
"""With this the index of sweeps may be used, which knows no other jobs."""
OF_WORKFLOW: Final = jobs.c.workflow != literal_column("''")
"""The same for published workflows."""


class QueueColumns(TypedColumns):
    """A queued job has a row here; its rank is its place in the order the user dragged."""

    job: Named[str] = Column(_of("jobs.id"), primary_key=True)
    rank: Named[float]


queue: Final = Table("queue", metadata, QueueColumns, sqlite_with_rowid=False)
Index("ix_queue_rank", queue.c.rank)


class RequestColumns(TypedColumns):
    """What a job was asked to do."""

    job: Named[str] = Column(_of("jobs.id"), primary_key=True)
    options: Named[str]
    targets: Named[Any] = Column(Json, nullable=False)
    inputs: Named[Any] = Column(Json, nullable=False)
    drawn: Named[Any] = Column(Json, nullable=False)
    problems: Named[str]
    document: Named[bytes]


requests: Final = Table("requests", metadata, RequestColumns)


class ReportColumns(TypedColumns):
    """How a job ended."""

    job: Named[str] = Column(_of("jobs.id"), primary_key=True)
    error: Named[str | None]
    report: Named[str | None]


reports: Final = Table("reports", metadata, ReportColumns)


class AttemptColumns(TypedColumns):
    """One run of a job."""

    job: Named[str] = Column(_of("jobs.id"), primary_key=True)
    number: Named[int] = Column(primary_key=True)
    worker: Named[str]
    started: Named[float]
    ended: Named[float | None]
    ending: Named[str]
    reason: Named[str]


attempts: Final = Table("attempts", metadata, AttemptColumns, sqlite_with_rowid=False)


class EventColumns(TypedColumns):
    """What happened to a job."""

    job: Named[str] = Column(_of("jobs.id"), primary_key=True)
    seq: Named[int] = Column(primary_key=True)
    at: Named[float]
    kind: Named[str]
    data: Named[Any] = Column(Json, nullable=False)


events: Final = Table("events", metadata, EventColumns, sqlite_with_rowid=False)


class OutputColumns(TypedColumns):
    """A file or a value that a job gave. It outlives its job, as long as the file is there."""

    id: Named[str] = Column(primary_key=True)
    client: Named[str]
    job: Named[str]
    place: Named[int]
    name: Named[str]
    node: Named[str]
    type: Named[str]
    value: Named[Any] = Column(Json, nullable=False)
    path: Named[str]
    media_type: Named[str]
    size: Named[int]
    sha256: Named[str]
    partial: Named[int]
    created: Named[float]
    trashed: Named[float | None]


outputs: Final = Table("outputs", metadata, OutputColumns, sqlite_with_rowid=False)
Index("ix_outputs_job_place", outputs.c.job, outputs.c.place, unique=True)
Index("ix_outputs_client_id", outputs.c.client, outputs.c.id)
Index("ix_outputs_trashed", outputs.c.trashed, sqlite_where=text("trashed IS NOT NULL"))


class SweepColumns(TypedColumns):
    """Many jobs asked for at once."""

    id: Named[str] = Column(primary_key=True)
    client: Named[str]
    title: Named[str]
    workflow: Named[str]
    plan: Named[Any] = Column(Json, nullable=False)
    points: Named[int]
    key: Named[str | None]
    body_digest: Named[str]
    created: Named[float]
    finished: Named[float | None]


sweeps: Final = Table("sweeps", metadata, SweepColumns, sqlite_with_rowid=False)
Index("ix_sweeps_client_id", sweeps.c.client, sweeps.c.id)
Index("uq_sweeps_client_key", sweeps.c.client, sweeps.c.key, unique=True, sqlite_where=text("key IS NOT NULL"))


class TokenColumns(TypedColumns):
    """Who may use the server; of the token only its digest is kept."""

    name: Named[str] = Column(primary_key=True)
    role: Named[str]
    digest: Named[bytes] = Column(unique=True)
    created: Named[float]
    last_used: Named[float | None]
    revoked: Named[float | None]


tokens: Final = Table("tokens", metadata, TokenColumns)


class DocumentColumns(TypedColumns):
    """A saved document; its versions are in a table of their own."""

    id: Named[str] = Column(primary_key=True)
    name: Named[str]
    version: Named[int]
    created: Named[float]
    saved: Named[float]
    thumbnail: Named[bytes | None]
    trashed: Named[float | None]


documents: Final = Table("documents", metadata, DocumentColumns)
Index("uq_documents_name", documents.c.name, unique=True, sqlite_where=text("trashed IS NULL"))


class DocumentVersionColumns(TypedColumns):
    """A document as it was saved once."""

    document: Named[str] = Column(_of("documents.id"), primary_key=True)
    version: Named[int] = Column(primary_key=True)
    client: Named[str]
    saved: Named[float]
    note: Named[str]
    sha256: Named[str]
    body: Named[bytes]


document_versions: Final = Table("document_versions", metadata, DocumentVersionColumns)


class WorkflowColumns(TypedColumns):
    """A published version of a workflow; nothing of it ever changes."""

    name: Named[str] = Column(primary_key=True)
    version: Named[int] = Column(primary_key=True)
    client: Named[str]
    note: Named[str]
    title: Named[str]
    sha256: Named[str]
    published: Named[float]
    interface: Named[Any] = Column(Json, nullable=False)
    schema: Named[Any] = Column(Json, nullable=False)
    document: Named[bytes]


workflows: Final = Table("workflows", metadata, WorkflowColumns)


class DeliveryColumns(TypedColumns):
    """A webhook that is to be told of the end of a job."""

    id: Named[str] = Column(primary_key=True)
    job: Named[str] = Column(_of("jobs.id"), index=True)
    url: Named[str]
    tries: Named[int]
    due: Named[float | None]
    """When the next try is; None once it was delivered or given up."""
    delivered: Named[float | None]
    error: Named[str]


deliveries: Final = Table("deliveries", metadata, DeliveryColumns, sqlite_with_rowid=False)
Index("ix_deliveries_due", deliveries.c.due, sqlite_where=text("due IS NOT NULL"))


class SettingColumns(TypedColumns):
    """What the server has to remember of itself, such as that its queue is paused."""

    name: Named[str] = Column(primary_key=True)
    value: Named[Any] = Column(Json, nullable=False)


settings: Final = Table("settings", metadata, SettingColumns)
