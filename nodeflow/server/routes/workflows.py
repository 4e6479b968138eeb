"""Published workflows: listed, published, called."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Final

from aiohttp import web
from pydantic import Field, JsonValue

from nodeflow.protocol.base import Message, Name
from nodeflow.protocol.errors import Refusal
from nodeflow.protocol.jobs import JobInfo, JobState
from nodeflow.protocol.tokens import Role
from nodeflow.protocol.workflows import CallRequest, Publication, WorkflowDetail, WorkflowInfo, WorkflowPage
from nodeflow.server.accepting import suits, wanted_pictures
from nodeflow.server.answers import answered
from nodeflow.server.calling import FORM, Form, forget, read_form, wish_of_form, wish_of_json
from nodeflow.server.library import Library, Published, new_version
from nodeflow.server.mediatypes import safe_type
from nodeflow.server.parts import PARTS
from nodeflow.server.routes.files import uploads_of
from nodeflow.server.routes.jobs import DOCUMENT_REFUSALS, KEY_HEADER, KEY_USE, key_of
from nodeflow.server.routes.outputs import place_of
from nodeflow.server.routing import API, Route, body_of, checked, json_limits, query_of
from nodeflow.server.security.clients import CLIENT
from nodeflow.server.sending import Sent, send_file
from nodeflow.server.submission import SUBMISSION
from nodeflow.server.wishes import loaded_of, with_key
from nodeflow.storage.database import outputs
from nodeflow.storage.database.records import Added
from nodeflow.storage.database.workflows import NewWorkflow

LIBRARY: Final = web.AppKey("library", Library)
PICTURES: Final = ("image/png", "image/jpeg", "image/webp")


class RunQuery(Message):
    """Seconds for which the end is waited for, and which result is wanted as a picture: the first one by default."""

    wait: Annotated[float, Field(ge=0, le=600)] = 30
    output: Annotated[str, Field(max_length=200)] | None = None


class _Named(Message):
    name: Name


async def list_workflows(request: web.Request) -> WorkflowPage:
    """All versions of all workflows."""
    return WorkflowPage(workflows=await request.app[LIBRARY].listed())


async def show_workflow(request: web.Request) -> WorkflowDetail:
    """A version with its document."""
    return await request.app[LIBRARY].detail(_reference(request))


async def show_schema(request: web.Request) -> web.Response:
    """What its inputs may be."""
    library = request.app[LIBRARY]
    schema = await library.schema(await library.find(_reference(request)))
    return web.json_response(schema, content_type="application/schema+json")


async def publish(request: web.Request) -> web.StreamResponse:
    """The next version of a workflow; the same document once more is the version that it was."""
    parts, client, body = request.app[PARTS], request[CLIENT].name, body_of(request, Publication)
    name = checked({"name": _reference(request)}, _Named, "the path").name
    submission = request.app[SUBMISSION]

    def made() -> NewWorkflow:
        loaded = loaded_of(body.document, parts.settings.limits.nodes)
        return new_version(name, client, loaded, body.note, submission.workplace(client))

    info, new = await request.app[LIBRARY].publish(await submission.apart(made))
    location = {"Location": f"{API}/workflows/{info.name}@{info.version}"}
    return answered(info, status=201 if new else 200, headers=location)


async def run(request: web.Request) -> web.StreamResponse:
    """Calls a workflow, and waits for a while for what comes of it."""
    query = query_of(request, RunQuery)
    published = await request.app[LIBRARY].find(_reference(request))
    if query.output is not None and query.output not in (each.name for each in published.info.outputs):
        raise Refusal("request.invalid", f"the query: {published.label} has no output {query.output!r}")
    added = await (_called_by_form if request.content_type == FORM else _called)(request, published)
    jobs, sees = request.app[PARTS].jobs, request[CLIENT].sees
    info = await jobs.wait(added.id, query.wait, sees)
    location = {"Location": f"{API}/jobs/{info.id}"}
    if not info.state.final:
        return answered(info, status=202, headers=location)
    wanted = wanted_pictures(request.headers.get("Accept", ""))
    return await _picture(request, info, wanted, query.output) if wanted else answered(info, headers=location)


async def _called(request: web.Request, published: Published) -> Added:
    client, limits = request[CLIENT].name, json_limits(request.app[PARTS].settings.limits)
    read = partial(wish_of_json, client=client, published=published, limits=limits)
    body = await request.read()
    submission = request.app[SUBMISSION]
    return (await submission.submit(f"{client} {published.label}", body, key_of(request), read)).added


async def _called_by_form(request: web.Request, published: Published) -> Added:
    """The files of a form stay only if a job comes of it."""
    form, uploads, client = Form(), uploads_of(request), request[CLIENT].name
    parts, submission = request.app[PARTS], request.app[SUBMISSION]
    try:
        await read_form(request, form, published, uploads, json_limits(parts.settings.limits))
        wish = with_key(wish_of_form(form, client=client, published=published), key_of(request))
        added = (await submission.submit_wish(wish)).added
    except BaseException:
        await forget(form, uploads)
        raise
    if not added.new:
        await forget(form, uploads)
    return added


async def _picture(
    request: web.Request, info: JobInfo, wanted: Sequence[str], output: str | None
) -> web.StreamResponse:
    """The picture itself, where the job has made one that is wanted."""
    if info.state is not JobState.SUCCEEDED:
        raise _without_picture(info)
    results = info.outputs if output is None else {output: info.outputs.get(output, ())}
    files = [each for group in results.values() for each in group if each.media_type in PICTURES]
    fitting = next((each for each in files if suits(each.media_type, wanted)), None)
    found = None
    if fitting is not None:
        sees = request[CLIENT].sees
        found = await request.app[PARTS].store.read(lambda connection: outputs.find(connection, fitting.id, sees))
    if fitting is None or found is None:
        there = ", ".join(dict.fromkeys(each.media_type for each in files)) or "no picture"
        message = f"the job has made {there}; wanted was {', '.join(wanted)}"
        raise Refusal("accept.impossible", message, detail={"job": info.id})
    place = place_of(request, found)
    return await send_file(request, Sent(place, safe_type(fitting.media_type), found.sha256, place.name))


def _without_picture(info: JobInfo) -> Refusal:
    detail: Mapping[str, JsonValue] = {"job": info.id}
    if info.state is JobState.CANCELLED:
        return Refusal("job.cancelled", "the job was cancelled before it had made a picture", detail=detail)
    error = info.error
    message = error.message if error is not None else "the job failed"
    return Refusal("job.failed", message, hint=error.hint if error is not None else "", detail=detail)


def _reference(request: web.Request) -> str:
    return request.match_info["reference"]


_ONE: Final = f"{API}/workflows/{{reference}}"
_TAG: Final = "workflows"

ROUTES: Final[Sequence[Route]] = (
    Route(
        "GET",
        f"{API}/workflows",
        list_workflows,
        role=Role.READ,
        summary="List published workflows",
        answer=WorkflowPage,
        tag=_TAG,
    ),
    Route(
        "GET",
        _ONE,
        show_workflow,
        role=Role.READ,
        summary="Show a version: NAME, NAME@latest or NAME@3",
        answer=WorkflowDetail,
        refusals=("workflow.unknown",),
        tag=_TAG,
    ),
    Route(
        "POST",
        _ONE,
        publish,
        role=Role.ADMIN,
        summary="Publish a document as the next version",
        body=Publication,
        answer=WorkflowInfo,
        status=201,
        also={200: "the latest version is this very document"},
        refusals=("document.invalid", "document.missing-file"),
        tag=_TAG,
    ),
    Route(
        "GET",
        f"{_ONE}/schema",
        show_schema,
        role=Role.READ,
        summary="Get the JSON Schema of the inputs of a version",
        gives=("application/schema+json",),
        refusals=("workflow.unknown",),
        tag=_TAG,
    ),
    Route(
        "POST",
        f"{_ONE}/run",
        run,
        role=Role.RUN,
        summary="Call a workflow and wait for the result",
        query=RunQuery,
        body=CallRequest,
        takes=("application/json", FORM),
        answer=JobInfo,
        also={202: "it has not ended yet; Location is where to ask"},
        gives=PICTURES,
        refusals=(
            *DOCUMENT_REFUSALS,
            "workflow.unknown",
            "accept.impossible",
            "job.failed",
            "job.cancelled",
            "picture.refused",
            "output.unknown",
            "file.gone",
        ),
        headers={KEY_HEADER: KEY_USE, "Accept": "image/png gives the picture itself"},
        tag=_TAG,
    ),
)
