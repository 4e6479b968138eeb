"""Jobs: submitted, looked at, cancelled, repeated, forgotten."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Final

from aiohttp import web
from pydantic import Field

from nodeflow.core.reading import Limits
from nodeflow.protocol.base import JobId, Message
from nodeflow.protocol.errors import Refusal
from nodeflow.protocol.jobreport import JobReport
from nodeflow.protocol.jobs import JobChange, JobInfo, JobPage, JobRequest, JobState
from nodeflow.protocol.tokens import Role
from nodeflow.server.answers import answered
from nodeflow.server.parts import PARTS
from nodeflow.server.refusing import unknown_job
from nodeflow.server.routing import API, Route, body_of, json_limits, parsed, query_of
from nodeflow.server.security.clients import CLIENT
from nodeflow.server.submission import SUBMISSION, queued_info
from nodeflow.server.wishes import Wish, digest_of, loaded_of, options_of
from nodeflow.storage.database.reporting import job_report
from nodeflow.storage.database.running import work

KEY_HEADER: Final = "Idempotency-Key"
KEY_USE: Final = "the same key with the same body is the same job"
_LONGEST_KEY: Final = 200
_STATES: Final = "|".join(JobState)


class JobsQuery(Message):
    """Which jobs, and which part of the list. ``state``: one or several, with commas between them."""

    state: Annotated[str, Field(pattern=rf"^({_STATES})(,({_STATES}))*$")] | None = None
    workflow: Annotated[str, Field(max_length=200)] = ""
    sweep: Annotated[str, Field(max_length=26)] = ""
    after: JobId | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


class WaitQuery(Message):
    """Seconds for which the end of the job is waited for."""

    wait: Annotated[float, Field(ge=0, le=600)] = 0


async def submit(request: web.Request) -> web.StreamResponse:
    """Takes a job in: checked, filled in, drawn, and on the disk before the answer."""
    parts, client = request.app[PARTS], request[CLIENT]
    if parts.settings.published_only:
        raise _published_only()
    read = partial(wish_of, client=client.name, limits=json_limits(parts.settings.limits))
    body = await request.read()
    taken = await request.app[SUBMISSION].submit(f"{client.name} job", body, key_of(request), read)
    location = {"Location": f"{API}/jobs/{taken.added.id}"}
    if taken.job is not None and taken.added.new:
        return answered(queued_info(taken.job), status=201, headers=location)
    return answered(await parts.jobs.info(taken.added.id, client.sees), headers=location)


def wish_of(body: bytes, *, client: str, limits: Limits) -> Wish:
    """A request for a job, read."""
    asked = parsed(body, JobRequest, limits)
    plain = asked.model_dump(mode="json", exclude={"key"})
    return Wish(
        client=client,
        loaded=loaded_of(asked.document, limits.nodes),
        digest=digest_of("job", plain),
        inputs=asked.inputs,
        targets=asked.targets,
        options=options_of(asked),
        key=asked.key,
    )


def key_of(request: web.Request) -> str | None:
    """The idempotency key in the head of a request."""
    key = request.headers.get(KEY_HEADER)
    if key is not None and not (0 < len(key) <= _LONGEST_KEY and key.isprintable()):
        raise Refusal("request.invalid", f"{KEY_HEADER}: expected 1 to {_LONGEST_KEY} printable characters")
    return key


async def list_jobs(request: web.Request) -> JobPage:
    """The client's jobs, the latest first; an admin's are everybody's."""
    query = query_of(request, JobsQuery)
    return await request.app[PARTS].jobs.page(
        client=request[CLIENT].sees,
        states=tuple(map(JobState, query.state.split(","))) if query.state else (),
        workflow=query.workflow,
        sweep=query.sweep,
        after=query.after,
        limit=query.limit,
    )


async def show_job(request: web.Request) -> JobInfo:
    """Everything about a job, at once or when it has ended."""
    jobs, sees = request.app[PARTS].jobs, request[CLIENT].sees
    seconds = query_of(request, WaitQuery).wait
    return await (jobs.wait(_id(request), seconds, sees) if seconds else jobs.info(_id(request), sees))


async def show_report(request: web.Request) -> JobReport:
    """The job as the shell's ``--json`` has a run."""
    id, sees = _id(request), request[CLIENT].sees
    report = await request.app[PARTS].store.read(lambda connection: job_report(connection, id, sees))
    if report is None:
        raise unknown_job(id)
    return report


async def show_document(request: web.Request) -> web.Response:
    """The document as it runs: inputs filled in, draws made."""
    id, sees = _id(request), request[CLIENT].sees
    found = await request.app[PARTS].store.read(lambda connection: work(connection, id))
    if found is None or sees not in (None, found.client):
        raise unknown_job(id)
    return web.Response(body=found.document, content_type="application/json")


async def cancel(request: web.Request) -> JobInfo:
    """Cancels this job and no other."""
    return await request.app[PARTS].jobs.cancel(_id(request), request[CLIENT].sees)


async def retry(request: web.Request) -> web.StreamResponse:
    """A new job with the same document and the same values."""
    parts, sees = request.app[PARTS], request[CLIENT].sees
    jobs = parts.jobs
    if parts.settings.published_only and not (await jobs.info(_id(request), sees)).workflow:
        raise _published_only()
    added = await jobs.retry(_id(request), sees)
    return answered(await jobs.info(added.id, sees), status=201, headers={"Location": f"{API}/jobs/{added.id}"})


def _published_only() -> Refusal:
    return Refusal(
        "documents.published-only",
        "this server runs published workflows only",
        hint=f"GET {API}/workflows lists them; POST {API}/workflows/NAME/run runs one",
    )


async def change(request: web.Request) -> JobInfo:
    """Another priority or place in the queue."""
    return await request.app[PARTS].jobs.change(_id(request), body_of(request, JobChange), request[CLIENT].sees)


async def remove(request: web.Request) -> None:
    """Forgets a job that has ended; its files stay."""
    await request.app[PARTS].jobs.remove(_id(request), request[CLIENT].sees)


def _id(request: web.Request) -> str:
    return request.match_info["id"]


ONE: Final = f"{API}/jobs/{{id}}"
DOCUMENT_REFUSALS: Final = ("document.invalid", "document.missing-file", "webhook.refused", "queue.full", "key.reused")

ROUTES: Final[Sequence[Route]] = (
    Route(
        "POST",
        f"{API}/jobs",
        submit,
        role=Role.RUN,
        summary="Submit a job",
        body=JobRequest,
        takes=("application/json",),
        answer=JobInfo,
        status=201,
        also={200: "the same key had made this job before"},
        refusals=(*DOCUMENT_REFUSALS, "documents.published-only", "server.storage", "server.stopping"),
        headers={KEY_HEADER: KEY_USE},
    ),
    Route("GET", f"{API}/jobs", list_jobs, role=Role.READ, summary="List jobs", query=JobsQuery, answer=JobPage),
    Route(
        "GET",
        ONE,
        show_job,
        role=Role.READ,
        summary="Show a job",
        query=WaitQuery,
        answer=JobInfo,
        refusals=("job.unknown",),
    ),
    Route(
        "GET",
        f"{ONE}/report",
        show_report,
        role=Role.READ,
        summary="Show a job as a run",
        answer=JobReport,
        refusals=("job.unknown",),
    ),
    Route(
        "GET",
        f"{ONE}/document",
        show_document,
        role=Role.READ,
        summary="Get the document that a job runs",
        gives=("application/json",),
        refusals=("job.unknown",),
    ),
    Route(
        "POST",
        f"{ONE}/cancel",
        cancel,
        role=Role.RUN,
        summary="Cancel a job",
        answer=JobInfo,
        refusals=("job.unknown", "job.final"),
    ),
    Route(
        "POST",
        f"{ONE}/retry",
        retry,
        role=Role.RUN,
        summary="Run a job again, as a new one",
        answer=JobInfo,
        status=201,
        refusals=("job.unknown", "job.not-final", "queue.full", "documents.published-only"),
    ),
    Route(
        "PATCH",
        ONE,
        change,
        role=Role.RUN,
        summary="Change priority or place of a queued job",
        body=JobChange,
        answer=JobInfo,
        refusals=("job.unknown", "job.not-queued"),
    ),
    Route(
        "DELETE",
        ONE,
        remove,
        role=Role.RUN,
        summary="Forget a job that has ended",
        status=204,
        refusals=("job.unknown", "job.not-final"),
    ),
)
