"""Forms with files, read part by part as they come; none of them is ever in memory as a whole."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from aiohttp import BodyPartReader, MultipartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from nodeflow.protocol.errors import Refusal

MAX_PARTS: Final = 64
_MAX_FIELD: Final = 1024
"""Bytes of one header line of a part."""
_MAX_HEADERS: Final = 8
_PIECE: Final = 64 * 1024
_DAMAGED: Final = (ValueError, RuntimeError, LookupError, AssertionError, HttpProcessingError)
"""What aiohttp raises, or warns of, when a form is none."""


@dataclass(frozen=True, slots=True)
class FormPart:
    """One field of a form. What is not read of it is passed over."""

    name: str
    filename: str | None
    media_type: str
    _reader: BodyPartReader

    async def pieces(self) -> AsyncIterator[bytes]:
        """What is in it, as it comes."""
        while piece := await _read(self._reader):
            yield piece

    async def text(self, limit: int) -> str:
        """What is in it, as text.

        Raises:
            Refusal: It is longer than ``limit`` bytes, or not UTF-8.
        """
        found = bytearray()
        async for piece in self.pieces():
            found += piece
            if len(found) > limit:
                raise Refusal("request.too-large", f"field {self.name!r} has more than the {limit:,} bytes it may have")
        try:
            return found.decode("utf-8")
        except UnicodeDecodeError:
            raise Refusal("request.malformed", f"field {self.name!r} is not text in UTF-8") from None


async def form_parts(request: web.Request, limit: int) -> AsyncIterator[FormPart]:
    """The fields of a form in their order.

    Args:
        request: With a body of ``multipart/form-data``.
        limit: Bytes that the whole body may have.

    Raises:
        Refusal: It is no form, damaged, has too many parts or is too large.
    """
    if request.content_type != "multipart/form-data":
        raise Refusal("request.media-type", f"the body is {request.content_type}; expected multipart/form-data")
    _check_length(request.content_length, limit)
    try:
        reader = MultipartReader(request.headers, request.content, max_field_size=_MAX_FIELD, max_headers=_MAX_HEADERS)
    except (ValueError, AssertionError):
        raise Refusal("request.malformed", "the form does not say what its parts are divided by") from None
    count = 0
    while (part := await _next(reader)) is not None:
        count += 1
        if count > MAX_PARTS:
            raise Refusal("request.too-large", f"the form has more than {MAX_PARTS} parts")
        _check_length(request.content.total_bytes, limit)
        yield _named(part, count)


def _check_length(length: int | None, limit: int) -> None:
    if length is not None and length > limit:
        raise Refusal("request.too-large", f"the form has more than the {limit:,} bytes it may have")


def _named(part: BodyPartReader, count: int) -> FormPart:
    try:
        name, filename = part.name, part.filename
    except (*_DAMAGED, Warning) as error:
        raise _damaged(error) from None
    if not name:
        raise Refusal("request.malformed", f"part {count} of the form has no name")
    return FormPart(name, filename, part.headers.get("Content-Type", "text/plain"), part)


async def _next(reader: MultipartReader) -> BodyPartReader | None:
    try:
        part = await reader.next()
    except (*_DAMAGED, Warning) as error:
        raise _damaged(error) from None
    if isinstance(part, MultipartReader):
        raise Refusal("request.malformed", "a form inside a form is not taken")
    return part


async def _read(reader: BodyPartReader) -> bytes:
    try:
        return await reader.read_chunk(_PIECE)
    except _DAMAGED as error:
        raise _damaged(error) from None


def _damaged(error: Exception) -> Refusal:
    return Refusal("request.malformed", f"the form is damaged: {str(error)[:200] or type(error).__name__}")
