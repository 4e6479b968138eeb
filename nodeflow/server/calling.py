"""Calls of published workflows as wishes: from JSON, or from a form with pictures in it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

from aiohttp import web
from pydantic import JsonValue

from nodeflow.core.files import FILE_WIDGETS
from nodeflow.core.reading import Limits
from nodeflow.protocol.errors import Refusal
from nodeflow.protocol.ids import new_id
from nodeflow.protocol.workflows import CallRequest
from nodeflow.server.forms import FormPart, form_parts
from nodeflow.server.library import Published
from nodeflow.server.routing import parsed
from nodeflow.server.uploads import Uploads
from nodeflow.server.wishes import Wish, digest_of, options_of

FORM: Final = "multipart/form-data"
OPTIONS: Final = "options"
"""The field of a form that holds options as JSON, unless the workflow has an input of that name."""
_FOLDER: Final = "calls"
_PICTURE: Final = "image_file"
_SUFFIXES: Final = frozenset({".png", ".jpg", ".jpeg", ".webp", ".txt", ".csv", ".json", ".latent"})
_LONGEST_TEXT: Final = 2**20


@dataclass(slots=True)
class Form:
    """What a form has brought.

    Attributes:
        told: The inputs with the digest of a file in the place of its name, which is another one each time.
        files: Names of the uploads that were made of it.
    """

    inputs: dict[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    told: dict[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    options: CallRequest = field(default_factory=CallRequest)
    files: list[str] = field(default_factory=list[str])


def wish_of_json(body: bytes, *, client: str, published: Published, limits: Limits) -> Wish:
    """A call whose values came as JSON; no body at all is a call without values."""
    asked = parsed(body, CallRequest, limits) if body else CallRequest()
    return _wish(client, published, asked.inputs, asked.inputs, asked)


def wish_of_form(form: Form, *, client: str, published: Published) -> Wish:
    """A call whose values came in a form."""
    return _wish(client, published, form.inputs, form.told, form.options)


async def read_form(request: web.Request, form: Form, published: Published, uploads: Uploads, limits: Limits) -> None:
    """Reads a form field by field; files become uploads of the client as they come, pictures upright.

    Args:
        request: Whose body it is.
        form: Is filled in, so that its files are known also when the reading is broken off.
        published: What is called.
        uploads: Files of the client.
        limits: Of JSON in the options.
    """
    widgets = {each.name: each.widget for each in published.info.inputs}
    async for part in form_parts(request, uploads.limits.upload + limits.bytes):
        if part.name in form.inputs:
            raise Refusal("request.invalid", f"the field {part.name!r} is given twice; keep one of them")
        if part.name == OPTIONS and OPTIONS not in widgets:
            form.options = parsed((await part.text(_LONGEST_TEXT)).encode(), CallRequest, limits)
            continue
        published.check_names([part.name])
        await _take(part, form, widgets, uploads)


async def forget(form: Form, uploads: Uploads) -> None:
    """Takes the files of a form away again: no job came of it."""
    for name in form.files:
        place = uploads.place(name)
        await asyncio.to_thread(place.unlink, missing_ok=True)


async def _take(part: FormPart, form: Form, widgets: Mapping[str, str], uploads: Uploads) -> None:
    widget = widgets[part.name]
    if part.filename is None or widget not in FILE_WIDGETS:
        form.inputs[part.name] = form.told[part.name] = await part.text(_LONGEST_TEXT)
        return
    suffix = PurePosixPath(part.filename.replace("\\", "/")).suffix.lower()
    name = f"{_FOLDER}/{new_id()}{suffix if suffix in _SUFFIXES else '.png'}"
    info = await uploads.receive(name, part.pieces(), upright=widget == _PICTURE)
    form.files.append(name)
    form.inputs[part.name] = name
    form.told[part.name] = {"sha256": info.sha256}


def _wish(
    client: str,
    published: Published,
    inputs: Mapping[str, JsonValue],
    told: Mapping[str, JsonValue],
    options: CallRequest,
) -> Wish:
    published.check_names(list(inputs))
    named = {**options.inputs, **inputs} if inputs is not options.inputs else inputs
    asked = options_of(options)
    return Wish(
        client=client,
        loaded=published.loaded,
        digest=digest_of("call", published.label, {**named, **told}, asked.model_dump(mode="json")),
        inputs=named,
        options=asked,
        key=options.key,
        workflow=published.label,
    )
