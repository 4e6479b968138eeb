"""Documents that the server keeps, with all their versions."""

from typing import Annotated

from pydantic import Field

from nodeflow.protocol.base import Message, Moment, Name


class DocumentInfo(Message):
    """A version of a document, without its text. ``version`` is its tag, too."""

    id: str
    name: str
    version: int
    latest: int
    client: str
    """Who saved it."""
    saved: Moment
    created: Moment
    note: str = ""
    sha256: str
    trashed: Moment | None = None


class DocumentPage(Message):
    """Documents by name, those of the trash by id; ``next`` is the ``after`` of the following part."""

    documents: tuple[DocumentInfo, ...]
    next: str | None = None
    total: int


class DocumentVersions(Message):
    """All versions of a document, the latest first."""

    versions: tuple[DocumentInfo, ...]


class DocumentQuery(Message):
    """Which part of the list, and whether that of the trash."""

    after: str | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    trashed: bool = False


class VersionQuery(Message):
    """Which version of a document; the latest by default."""

    version: Annotated[int, Field(ge=1, le=2**53)] | None = None


class SaveQuery(Message):
    """How a document is saved.

    ``version`` is the one it was made from, 0 for a new document; the header ``If-Match`` says the same.
    """

    version: Annotated[int, Field(ge=0, le=2**53)] | None = None
    note: Annotated[str, Field(max_length=1000)] = ""


class DocumentChange(Message):
    """What may be changed of a document itself."""

    name: Name
