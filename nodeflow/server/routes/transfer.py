"""The queue, taken from one server to another."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from aiohttp import web

from nodeflow.core.errors import InvalidDocument
from nodeflow.protocol.errors import Refusal
from nodeflow.protocol.queue import Imported, QueuedJob, QueueExport
from nodeflow.protocol.tokens import Role
from nodeflow.server.errors import of_document
from nodeflow.server.parts import PARTS
from nodeflow.server.routes.jobs import DOCUMENT_REFUSALS
from nodeflow.server.routing import API, Route, body_of
from nodeflow.server.submission import SUBMISSION, Submission
from nodeflow.server.wishes import Wish, loaded_of
from nodeflow.storage.database.exporting import export_jobs
from nodeflow.storage.database.jobs import queued
from nodeflow.storage.database.records import NewJob

_AT_ONCE: Final = 100
"""Jobs that are read, or checked, before somebody else has a turn."""


async def export(request: web.Request) -> web.Response:
    """All queued jobs with their documents, in their order. They stay where they are."""
    parts = request.app[PARTS]
    ids = [job.id for job in await parts.store.read(queued)]
    found: list[QueuedJob] = []
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE]
        found += await parts.store.read(partial(export_jobs, ids=some))
    body = await request.app[SUBMISSION].apart(lambda: QueueExport(jobs=tuple(found)).model_dump_json().encode())
    return web.Response(
        body=body,
        content_type="application/json",
        headers={"Content-Disposition": 'attachment; filename="queue.json"'},
    )


async def take_in(request: web.Request) -> Imported:
    """Queues the jobs of an export behind those that wait here: all of them, or none."""
    parts, submission = request.app[PARTS], request.app[SUBMISSION]
    if parts.settings.published_only:
        raise Refusal("documents.published-only", "this server runs published workflows only, and takes no queue in")
    asked = body_of(request, QueueExport).jobs
    most = parts.settings.limits.nodes
    new: list[NewJob] = []
    for start in range(0, len(asked), _AT_ONCE):
        some = asked[start : start + _AT_ONCE]
        new += await submission.apart(partial(_made, submission, some, start, most))
    added = await parts.jobs.submit_all(new)
    return Imported(jobs=tuple([one.id for one in added]))


def _made(submission: Submission, asked: Sequence[QueuedJob], start: int, most: int) -> list[NewJob]:
    """Jobs, each checked as if it were submitted; draws were made where they come from."""
    new: list[NewJob] = []
    for number, job in enumerate(asked, start):
        try:
            loaded = loaded_of(job.document, most)
            made = submission.made(Wish(job.client, loaded, "", targets=job.targets, options=job.options))
        except InvalidDocument as error:
            refusal = of_document(error)
            raise Refusal(
                refusal.body.code, f"jobs.{number}: {refusal.body.message}", problems=refusal.body.problems
            ) from None
        title = job.title or made.title
        new.append(replace(made, title=title, workflow=job.workflow, inputs=job.inputs, drawn=job.drawn))
    return new


ROUTES: Final[Sequence[Route]] = (
    Route(
        "GET",
        f"{API}/queue/export",
        export,
        role=Role.ADMIN,
        summary="Export all queued jobs",
        answer=QueueExport,
        tag="queue",
    ),
    Route(
        "POST",
        f"{API}/queue/import",
        take_in,
        role=Role.ADMIN,
        summary="Queue the jobs of an export",
        body=QueueExport,
        answer=Imported,
        status=201,
        refusals=(*(code for code in DOCUMENT_REFUSALS if code != "key.reused"), "documents.published-only"),
        tag="queue",
    ),
)
