"""Sweeps: submitted as one thing, looked at point by point, cancelled as a whole."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Final

from aiohttp import web
from pydantic import Field
from sqlalchemy import Connection

from nodeflow.core.errors import UsageError
from nodeflow.core.reading import Limits
from nodeflow.protocol.base import JobId, Message
from nodeflow.protocol.errors import Refusal
from nodeflow.protocol.ids import new_id
from nodeflow.protocol.jobs import JobState, OutputInfo
from nodeflow.protocol.sweeps import SweepInfo, SweepPage, SweepPointInfo, SweepRequest, SweepState, SweepSummary
from nodeflow.protocol.tokens import Role
from nodeflow.server.answers import answered
from nodeflow.server.library import Library
from nodeflow.server.parts import PARTS
from nodeflow.server.refusing import reused_key
from nodeflow.server.routes.jobs import DOCUMENT_REFUSALS, KEY_HEADER, KEY_USE, key_of
from nodeflow.server.routes.workflows import LIBRARY
from nodeflow.server.routing import API, Route, body_of, json_limits, query_of
from nodeflow.server.security.clients import CLIENT
from nodeflow.server.submission import SUBMISSION
from nodeflow.server.sweepmaking import axes_of_plan, jobs_of, plain
from nodeflow.server.wishes import Wish, digest_of, loaded_of, options_of
from nodeflow.session.axes import Point, points_of
from nodeflow.storage.database import outputs, sweeps
from nodeflow.storage.database.records import KeyReused
from nodeflow.storage.database.sweeps import Sweep

_AT_ONCE: Final = 100
"""Jobs that are cancelled together."""


class SweepsQuery(Message):
    """Which part of the list."""

    after: JobId | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


class PointsQuery(Message):
    """Which part of the points: behind number ``after``."""

    after: Annotated[int, Field(ge=0)] = 0
    limit: Annotated[int, Field(ge=1, le=1000)] = 1000


async def submit(request: web.Request) -> web.StreamResponse:
    """Takes a sweep in: every point is checked, and all jobs are on the disk before the answer."""
    parts, asked = request.app[PARTS], body_of(request, SweepRequest)
    if parts.settings.published_only and asked.workflow is None:
        hint = f"GET {API}/workflows lists them; name one as workflow"
        raise Refusal("documents.published-only", "this server runs published workflows only", hint=hint)
    limits = json_limits(parts.settings.limits)
    key = key_of(request) or asked.key
    wish = await _wish(asked, request[CLIENT].name, key, request.app[LIBRARY], limits)
    id = await parts.store.read(lambda connection: _known(connection, wish))
    if id is not None:
        return answered(await _info(request, id, PointsQuery()), headers=_location(id))
    submission, room = request.app[SUBMISSION], parts.settings.limits.queue
    sweep, jobs = await submission.apart(lambda: jobs_of(asked, wish, submission, room))
    added = await parts.jobs.submit_sweep(sweep, jobs)
    info = await _info(request, added.id, PointsQuery())
    return answered(info, status=201 if added.new else 200, headers=_location(added.id))


async def list_sweeps(request: web.Request) -> SweepPage:
    """The client's sweeps, the latest first; an admin's are everybody's."""
    query, sees = query_of(request, SweepsQuery), request[CLIENT].sees

    def read(connection: Connection) -> SweepPage:
        found = sweeps.page(connection, client=sees, after=query.after, limit=query.limit + 1)
        shown = found[: query.limit]
        summaries = tuple([_summary(each, sweeps.counts(connection, each.id)) for each in shown])
        return SweepPage(sweeps=summaries, next=shown[-1].id if len(found) > len(shown) else None)

    return await request.app[PARTS].store.read(read)


async def show_sweep(request: web.Request) -> SweepInfo:
    """A sweep and its points, with what they have given."""
    return await _info(request, _id(request), query_of(request, PointsQuery))


async def cancel(request: web.Request) -> SweepInfo:
    """Cancels what has not ended of a sweep."""
    parts, id, sees = request.app[PARTS], _id(request), request[CLIENT].sees
    found = await parts.store.read(lambda c: (sweeps.find(c, id, sees), sweeps.points(c, id)))
    if found[0] is None:
        raise _unknown(id)
    left = [job for _, job, state in reversed(found[1]) if not state.final]
    for start in range(0, len(left), _AT_ONCE):
        await asyncio.gather(*(_cancelled(request, job) for job in left[start : start + _AT_ONCE]))
    return await _info(request, id, PointsQuery())


async def _cancelled(request: web.Request, job: str) -> None:
    try:
        await request.app[PARTS].jobs.cancel(job, request[CLIENT].sees)
    except Refusal as refusal:
        if refusal.body.code != "job.final":  # it has ended meanwhile
            raise


async def _wish(asked: SweepRequest, client: str, key: str | None, library: Library, limits: Limits) -> Wish:
    """What is the same at all points."""
    names = [*asked.inputs, *asked.over, *(name for row in asked.rows for name in row)]
    if asked.workflow is not None and asked.document is None:
        published = await library.find(asked.workflow)
        published.check_names(names)
        published.check_targets(asked.targets or ())
        loaded, label = published.loaded, published.label
    elif asked.document is not None and asked.workflow is None:
        loaded, label = loaded_of(asked.document, limits.nodes), ""
    else:
        raise UsageError("a sweep is of a document or of a published workflow; give one of the two")
    return Wish(
        client=client,
        loaded=loaded,
        digest=digest_of("sweep", asked.model_dump(mode="json", exclude={"key"})),
        inputs=asked.inputs,
        targets=asked.targets,
        options=options_of(asked),
        key=key,
        workflow=label,
        sweep=new_id(),
    )


def _known(connection: Connection, wish: Wish) -> str | None:
    try:
        return sweeps.known(connection, wish.client, wish.key, wish.digest)
    except KeyReused as reused:
        raise reused_key(reused.id) from None


async def _info(request: web.Request, id: str, query: PointsQuery) -> SweepInfo:
    sees = request[CLIENT].sees
    sweep = await request.app[PARTS].store.read(lambda connection: sweeps.find(connection, id, sees))
    if sweep is None:
        raise _unknown(id)
    points = await request.app[SUBMISSION].apart(lambda: points_of(axes_of_plan(sweep.plan)))
    shown = points[query.after : query.after + query.limit]
    more = query.after + len(shown) < len(points)

    def read(connection: Connection) -> SweepInfo:
        summary = _summary(sweep, sweeps.counts(connection, id))
        return SweepInfo(
            **{name: getattr(summary, name) for name in SweepSummary.model_fields},
            points=_points(connection, id, shown),
            next=shown[-1].index if more and shown else None,
            sheets=tuple([each.info for each in outputs.of_job(connection, id)]),
        )

    return await request.app[PARTS].store.read(read)


def _points(connection: Connection, id: str, shown: Sequence[Point]) -> tuple[SweepPointInfo, ...]:
    """Points with the last job of each; those whose jobs were forgotten are left out."""
    last = {point: (job, state) for point, job, state in sweeps.points(connection, id)}
    there = [(point, *last[point.index]) for point in shown if point.index in last]
    found = outputs.of_jobs(connection, [job for _, job, _ in there])
    return tuple(
        [
            SweepPointInfo(
                index=point.index,
                values=plain(point.values),
                label=point.label,
                job=job,
                state=state,
                outputs=_by_name([each.info for each in found[job]]),
            )
            for point, job, state in there
        ]
    )


def _by_name(infos: Sequence[OutputInfo]) -> Mapping[str, tuple[OutputInfo, ...]]:
    named: dict[str, list[OutputInfo]] = {}
    for info in infos:
        named.setdefault(info.name or info.node, []).append(info)
    return {name: tuple(group) for name, group in named.items()}


def _summary(sweep: Sweep, counts: Mapping[JobState, int]) -> SweepSummary:
    return SweepSummary(
        id=sweep.id,
        state=_state(sweep, counts),
        client=sweep.client,
        title=sweep.title,
        workflow=sweep.workflow,
        axes=tuple([axis.names for axis in axes_of_plan(sweep.plan)]),
        total=sweep.points,
        counts=counts,
        created=sweep.created,
        finished=sweep.finished,
    )


def _state(sweep: Sweep, counts: Mapping[JobState, int]) -> SweepState:
    if sweep.finished is None:
        return SweepState.RUNNING
    if counts[JobState.FAILED]:
        return SweepState.FAILED
    return SweepState.CANCELLED if counts[JobState.CANCELLED] else SweepState.SUCCEEDED


def _id(request: web.Request) -> str:
    return request.match_info["id"]


def _unknown(id: str) -> Refusal:
    return Refusal("sweep.unknown", f"there is no sweep {id[:40]}", hint=f"GET {API}/sweeps lists those there are")


def _location(id: str) -> Mapping[str, str]:
    return {"Location": f"{API}/sweeps/{id}"}


_ONE: Final = f"{API}/sweeps/{{id}}"

ROUTES: Final[Sequence[Route]] = (
    Route(
        "POST",
        f"{API}/sweeps",
        submit,
        role=Role.RUN,
        summary="Submit a sweep",
        body=SweepRequest,
        answer=SweepInfo,
        status=201,
        also={200: "the same key had made this sweep before"},
        refusals=(*DOCUMENT_REFUSALS, "documents.published-only", "workflow.unknown", "server.storage"),
        headers={KEY_HEADER: KEY_USE},
        tag="sweeps",
    ),
    Route(
        "GET",
        f"{API}/sweeps",
        list_sweeps,
        role=Role.READ,
        summary="List sweeps",
        query=SweepsQuery,
        answer=SweepPage,
        tag="sweeps",
    ),
    Route(
        "GET",
        _ONE,
        show_sweep,
        role=Role.READ,
        summary="Show a sweep and its points",
        query=PointsQuery,
        answer=SweepInfo,
        refusals=("sweep.unknown",),
        tag="sweeps",
    ),
    Route(
        "POST",
        f"{_ONE}/cancel",
        cancel,
        role=Role.RUN,
        summary="Cancel what has not ended of a sweep",
        answer=SweepInfo,
        refusals=("sweep.unknown",),
        tag="sweeps",
    ),
)
