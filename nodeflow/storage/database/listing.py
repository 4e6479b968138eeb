"""Jobs as clients see them, one by one and in lists."""

from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, Final

from pydantic import JsonValue
from sqlalchemy import ColumnElement, Connection, bindparam, func, select

from nodeflow.protocol.jobs import AttemptInfo, JobError, JobInfo, JobPage, JobState, JobSummary, OutputInfo
from nodeflow.protocol.report import RunReport, WarningReport
from nodeflow.storage.database import outputs
from nodeflow.storage.database.adding import PROBLEMS
from nodeflow.storage.database.records import Queued
from nodeflow.storage.database.tables import IN_SWEEP, OF_WORKFLOW, attempts, jobs, queue, reports, requests

MOST: Final = 1000
"""Jobs in one page, at most."""

_SUMMARY: Final = (
    jobs.c.id,
    jobs.c.state,
    jobs.c.client,
    jobs.c.title,
    jobs.c.workflow,
    jobs.c.sweep,
    jobs.c.priority,
    jobs.c.created,
    jobs.c.started,
    jobs.c.finished,
    jobs.c.metadata,
)
_NAMES: Final = tuple(column.name for column in _SUMMARY)
_INFO: Final = (
    select(*_SUMMARY, jobs.c.deadline, requests.c.drawn, requests.c.problems, reports.c.report, reports.c.error)
    .join_from(jobs, requests, jobs.c.id == requests.c.job)
    .outerjoin(reports, jobs.c.id == reports.c.job)
    .where(jobs.c.id == bindparam("of"))
)
_ATTEMPTS: Final = (
    select(
        attempts.c.number,
        attempts.c.worker,
        attempts.c.started,
        attempts.c.ended,
        attempts.c.ending,
        attempts.c.reason,
    )
    .where(attempts.c.job == bindparam("of"))
    .order_by(attempts.c.number)
)
_QUEUED: Final = (
    select(jobs.c.id, jobs.c.client, jobs.c.priority, queue.c.rank, jobs.c.sweep, jobs.c.models)
    .join_from(queue, jobs, queue.c.job == jobs.c.id)
    .order_by(queue.c.rank)
)
_COUNTS: Final = select(jobs.c.state, func.count()).group_by(jobs.c.state)


def info(connection: Connection, job: str, client: str | None) -> JobInfo | None:
    """Everything about a job; None when there is none, or when it is not this client's. ``client`` None sees all."""
    row = connection.execute(_INFO, {"of": job}).first()
    if row is None or client not in (None, row.client):
        return None
    report = None if row.report is None else RunReport.model_validate_json(row.report)
    return JobInfo(
        **_summary(row),
        deadline=row.deadline,
        attempts=_attempts(connection, job),
        warnings=_warnings(row.problems, report),
        drawn=row.drawn,
        outputs=_by_name(outputs.of_job(connection, job)),
        error=None if row.error is None else JobError.model_validate_json(row.error),
        **({} if report is None else _told(report)),
    )


def page(
    connection: Connection,
    *,
    client: str | None,
    states: Collection[JobState] = (),
    workflow: str = "",
    sweep: str = "",
    metadata: Mapping[str, JsonValue] | None = None,
    after: str | None = None,
    limit: int = 100,
) -> JobPage:
    """Jobs, the latest first, from behind ``after`` on.

    Args:
        connection: Where to look.
        client: Whose jobs; None sees all.
        states: Only these; all when empty.
        workflow: Only those of this published workflow, ``name`` or ``name@version``.
        sweep: Only those of this sweep.
        metadata: Only those with these values in their metadata.
        after: ``next`` of the page before.
        limit: Jobs in a page, at most ``MOST``.
    """
    limit = max(1, min(limit, MOST))
    each = _questions(client, states, workflow, sweep, metadata or {})
    found = sorted(
        chain.from_iterable(_rows(connection, conditions, after, limit + 1) for conditions in each),
        key=itemgetter(0),
        reverse=True,
    )
    total = sum(_count(connection, conditions) for conditions in each)
    kept = found[:limit]
    return JobPage(
        jobs=tuple([JobSummary(**_summary(row)) for row in kept]),
        next=kept[-1][0] if len(found) > limit else None,
        total=total,
    )


def queued(connection: Connection) -> tuple[Queued, ...]:
    """All queued jobs in the order of their ranks."""
    rows = connection.execute(_QUEUED)
    return tuple(
        [Queued(id, client, priority, rank, sweep, tuple(models)) for id, client, priority, rank, sweep, models in rows]
    )


def counts(connection: Connection) -> Mapping[JobState, int]:
    """How many jobs are in each state."""
    found = {JobState(state): number for state, number in connection.execute(_COUNTS)}
    return {state: found.get(state, 0) for state in JobState}


def _questions(
    client: str | None, states: Collection[JobState], workflow: str, sweep: str, metadata: Mapping[str, JsonValue]
) -> Sequence[Sequence[ColumnElement[bool]]]:
    """Conditions of the questions that together give what is asked for, each in the order of an index.

    The jobs of a client are asked for state by state, as one index has them. Those of a sweep or a workflow are few, so
    that their own index is the one to take, and the others are kept out by an expression none of them knows.
    """
    filters = _metadata(metadata)
    if sweep or workflow:
        filters += [*_of_sweep(sweep), *_of_workflow(workflow)]
        if states:
            filters.append(jobs.c.state.concat("").in_([state.value for state in states]))
        if client is not None:
            filters.append(jobs.c.client.concat("") == client)
        return [filters]
    if client is not None:
        filters.append(jobs.c.client == client)
        states = states or list(JobState)
    return [[*filters, jobs.c.state == state.value] for state in dict.fromkeys(states)] or [filters]


def _of_sweep(sweep: str) -> list[ColumnElement[bool]]:
    return [jobs.c.sweep == sweep, IN_SWEEP] if sweep else []


def _of_workflow(workflow: str) -> list[ColumnElement[bool]]:
    if not workflow:
        return []
    if "@" in workflow:
        return [jobs.c.workflow == workflow, OF_WORKFLOW]
    return [jobs.c.workflow > f"{workflow}@", jobs.c.workflow < f"{workflow}A", OF_WORKFLOW]


def _metadata(metadata: Mapping[str, JsonValue]) -> list[ColumnElement[bool]]:
    def path(name: str) -> str:
        return '$."' + name.replace('"', "") + '"'

    return [func.json_extract(jobs.c.metadata, path(name)) == value for name, value in metadata.items()]


def _rows(
    connection: Connection, conditions: Sequence[ColumnElement[bool]], after: str | None, limit: int
) -> Sequence[Sequence[Any]]:
    asked = select(*_SUMMARY).where(*conditions).order_by(jobs.c.id.desc()).limit(limit)
    if after is not None:
        asked = asked.where(jobs.c.id < after)
    return connection.execute(asked).all()


def _count(connection: Connection, conditions: Sequence[ColumnElement[bool]]) -> int:
    return connection.execute(select(func.count()).select_from(jobs).where(*conditions)).scalar_one()


def _summary(row: Sequence[Any]) -> dict[str, Any]:
    return dict(zip(_NAMES, row, strict=False))


def _attempts(connection: Connection, job: str) -> tuple[AttemptInfo, ...]:
    rows = connection.execute(_ATTEMPTS, {"of": job}).mappings()
    return tuple([AttemptInfo(**row) for row in rows])


def _warnings(problems: str, report: RunReport | None) -> tuple[WarningReport, ...]:
    """What was said about the document when it came, and by its nodes later; each once."""
    said = [*PROBLEMS.validate_json(problems), *([] if report is None else report.problems)]
    told = [WarningReport(node=problem.node or "", message=problem.message) for problem in said]
    return tuple(dict.fromkeys([*told, *([] if report is None else report.warnings)]))


def _told(report: RunReport) -> dict[str, Any]:
    nodes = report.nodes
    return {
        "nodes": nodes,
        "cache_hits": sum(node.status.startswith("hit") for node in nodes.values()),
        "shown": {node: tuple(values) for node, values in report.shown.items()},
        "withheld": report.withheld,
    }


def _by_name(found: Sequence[outputs.Output]) -> dict[str, tuple[OutputInfo, ...]]:
    named: dict[str, list[OutputInfo]] = {}
    for output in found:
        named.setdefault(output.info.name or output.info.node, []).append(output.info)
    return {name: tuple(infos) for name, infos in named.items()}
