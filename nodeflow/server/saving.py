"""What may be saved as a document, over which version, and what is said of a save that came too late."""

import json
import re
from typing import Final

from pydantic import JsonValue, TypeAdapter, ValidationError

from nodeflow.core.errors import InvalidDocument
from nodeflow.core.reading import Limits
from nodeflow.core.workflow import parse_document
from nodeflow.protocol.base import Name
from nodeflow.protocol.documents import DocumentInfo
from nodeflow.protocol.errors import Refusal
from nodeflow.server.routing import unreadable
from nodeflow.storage.database.documents import Document, Stale

_NAME: Final = TypeAdapter[str](Name)
_TAG: Final = re.compile(r'(?:W/)?"(\d{1,16})"')


def usable_name(name: str) -> str:
    """A name that a document may have.

    Raises:
        Refusal: It may not.
    """
    try:
        return _NAME.validate_python(name)
    except ValidationError:
        message = f"the name {name[:100]!r} cannot be used: letters, digits, dots, hyphens and underscores, 100 at most"
        raise Refusal("request.invalid", message) from None


def check_text(body: bytes, limits: Limits) -> None:
    """Looks whether a text is a document at all; one that cannot run yet is kept. Takes time.

    Raises:
        Refusal: It is no JSON, or over a limit.
        InvalidDocument: It is no document.
    """
    try:
        parse_document(body, limits, keep_going=True)
    except InvalidDocument as error:
        if error.problems[0].code.startswith(("json.", "limit.")):
            raise unreadable(error) from None
        raise


def expected_version(if_match: str, asked: int | None) -> int | None:
    """The version that is to be there; None to save whatever is there, which has to be asked for.

    Args:
        if_match: The header of that name; empty where there is none.
        asked: ``?version=``.

    Raises:
        Refusal: The header is no version, or the two are not the same.
    """
    given = if_match.strip()
    match = _TAG.fullmatch(given)
    if given == "*":
        return None
    if given and match is None:
        raise Refusal("request.invalid", f'If-Match: {given[:100]!r} is no version; expected one such as "3"')
    if match is not None and asked not in (None, int(match[1])):
        raise Refusal("request.invalid", "If-Match and ?version= name two versions; keep one of them")
    return int(match[1]) if match is not None else asked or 0


def stale(name: str, expected: int | None, digest: str, error: Stale, base: tuple[Document, bytes] | None) -> Refusal:
    """The refusal of a save, with both sides: what is there now, and what the save was made from. Takes time.

    Args:
        name: The document.
        expected: The version that was to be there.
        digest: Of the text that was to be saved.
        error: What is there.
        base: The version it was made from, as far as it is known.
    """
    detail: dict[str, JsonValue] = {"yours": {"version": expected, "sha256": digest}, "theirs": None, "base": None}
    if error.current is None:
        return Refusal("document.stale", f"{name} is gone", hint="save it as a new one with ?version=0", detail=detail)
    detail["theirs"] = _side(error.current, error.body)
    if base is not None:
        detail["base"] = _side(*base)
    began = f"version {expected}" if base is not None else "nothing"
    now = f"version {error.current.version} by now, saved by {error.current.client}"
    return Refusal(
        "document.stale",
        f"{name} is at {now}; yours began from {began}",
        hint="put the two together and save from that version, or save under another name",
        detail=detail,
    )


def info_of(found: Document) -> DocumentInfo:
    """A version as clients see it."""
    return DocumentInfo.model_validate(found, from_attributes=True)


def _side(found: Document, body: bytes) -> dict[str, JsonValue]:
    return {**info_of(found).model_dump(mode="json"), "document": json.loads(body)}
