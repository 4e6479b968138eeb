"""Saved documents and their versions."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, RowMapping, bindparam, func, insert, select, update

from nodeflow.core.errors import NodeflowError
from nodeflow.protocol.ids import new_id
from nodeflow.storage.database.tables import document_versions, documents


@dataclass(frozen=True, slots=True)
class Document:
    """One version of a document, without its text."""

    id: str
    name: str
    version: int
    latest: int
    client: str
    saved: float
    created: float
    note: str
    sha256: str
    trashed: float | None = None


class Stale(NodeflowError):
    """A save that began from another version than the one that is there now; ``current`` is None when there is none."""

    def __init__(self, current: Document | None, body: bytes = b"") -> None:
        self.current = current
        self.body = body
        super().__init__("the document is gone" if current is None else f"version {current.version} is there by now")


class NameTaken(NodeflowError):
    """Another document has this name."""


_COLUMNS: Final = (
    documents.c.id,
    documents.c.name,
    documents.c.version.label("latest"),
    documents.c.created,
    documents.c.trashed,
    document_versions.c.version,
    document_versions.c.client,
    document_versions.c.saved,
    document_versions.c.note,
    document_versions.c.sha256,
)
_JOINED: Final = select(*_COLUMNS).join_from(
    documents, document_versions, documents.c.id == document_versions.c.document
)
_LATEST: Final = _JOINED.where(document_versions.c.version == documents.c.version)
_BY_NAME: Final = _LATEST.where(documents.c.name == bindparam("which"), documents.c.trashed.is_(None))
_ONE_OF_NAME: Final = _JOINED.where(
    documents.c.name == bindparam("which"),
    documents.c.trashed.is_(None),
    document_versions.c.version == bindparam("of"),
)
_BODY: Final = select(document_versions.c.body).where(
    document_versions.c.document == bindparam("which"), document_versions.c.version == bindparam("of")
)


def save(
    connection: Connection,
    name: str,
    body: bytes,
    *,
    sha256: str,
    client: str,
    now: float,
    expected: int | None,
    note: str = "",
) -> Document:
    """Keeps the next version of a document, or the first; nothing new is kept when the text is the very same.

    Args:
        connection: Where it goes.
        name: The document.
        body: Its text.
        sha256: Of the text.
        client: Who saves.
        now: The moment.
        expected: The version it was made from; 0 for a new document, None when that does not matter.
        note: What has changed.

    Raises:
        Stale: Another version is there.
    """
    current = find(connection, name)
    if expected is not None and expected != (0 if current is None else current.version):
        raise Stale(current, b"" if current is None else text(connection, current))
    if current is not None and current.sha256 == sha256:
        return current
    version = 1 if current is None else current.version + 1
    if current is None:
        id = new_id()
        connection.execute(
            insert(documents), {"id": id, "name": name, "version": version, "created": now, "saved": now}
        )
    else:
        id = current.id
        connection.execute(update(documents).where(documents.c.id == id).values(version=version, saved=now))
    connection.execute(
        insert(document_versions),
        {
            "document": id,
            "version": version,
            "client": client,
            "saved": now,
            "note": note,
            "sha256": sha256,
            "body": body,
        },
    )
    created = now if current is None else current.created
    return Document(id, name, version, version, client, now, created, note, sha256)


def find(connection: Connection, name: str, version: int | None = None) -> Document | None:
    """A version of a document that is not in the trash, or its latest."""
    if version is None:
        row = connection.execute(_BY_NAME, {"which": name}).mappings().first()
    else:
        row = connection.execute(_ONE_OF_NAME, {"which": name, "of": version}).mappings().first()
    return None if row is None else _document(row)


def text(connection: Connection, document: Document) -> bytes:
    """The text of a version."""
    return connection.execute(_BODY, {"which": document.id, "of": document.version}).scalar_one()


def versions(connection: Connection, name: str) -> tuple[Document, ...]:
    """All versions of a document, the latest first."""
    asked = _JOINED.where(documents.c.name == name, documents.c.trashed.is_(None))
    rows = connection.execute(asked.order_by(document_versions.c.version.desc())).mappings()
    return tuple([_document(row) for row in rows])


def page(
    connection: Connection, *, trashed: bool = False, after: str | None = None, limit: int = 100
) -> tuple[Document, ...]:
    """Documents in the order of their names, from behind ``after`` on; those in the trash by their ids instead."""
    if trashed:
        asked = _LATEST.where(documents.c.trashed.is_not(None)).order_by(documents.c.id)
        asked = asked if after is None else asked.where(documents.c.id > after)
    else:
        asked = _LATEST.where(documents.c.trashed.is_(None)).order_by(documents.c.name)
        asked = asked if after is None else asked.where(documents.c.name > after)
    return tuple([_document(row) for row in connection.execute(asked.limit(limit)).mappings()])


def count(connection: Connection, *, trashed: bool = False) -> int:
    """How many documents there are, or are in the trash."""
    where = documents.c.trashed.is_not(None) if trashed else documents.c.trashed.is_(None)
    return connection.execute(select(func.count()).where(where)).scalar_one()


def rename(connection: Connection, name: str, to: str) -> Document | None:
    """Gives a document another name; None when there is none.

    Raises:
        NameTaken: There is a document of the new name.
    """
    found = find(connection, name)
    if found is None or name == to:
        return found
    if find(connection, to) is not None:
        raise NameTaken(f"there is a document named {to} already")
    connection.execute(update(documents).where(documents.c.id == found.id).values(name=to))
    return find(connection, to)


def trash(connection: Connection, name: str, now: float) -> Document | None:
    """Puts a document into the trash; None when there is none."""
    found = find(connection, name)
    if found is not None:
        connection.execute(update(documents).where(documents.c.id == found.id).values(trashed=now))
    return found


def restore(connection: Connection, id: str) -> Document | None:
    """Takes a document out of the trash; None when it is not there.

    Raises:
        NameTaken: Its name is another document's by now.
    """
    row = connection.execute(_LATEST.where(documents.c.id == id, documents.c.trashed.is_not(None))).mappings().first()
    if row is None:
        return None
    if find(connection, row["name"]) is not None:
        raise NameTaken(f"there is a document named {row['name']} by now")
    connection.execute(update(documents).where(documents.c.id == id).values(trashed=None))
    return find(connection, row["name"])


def thumbnail(connection: Connection, name: str) -> bytes | None:
    """The small picture of a document."""
    asked = select(documents.c.thumbnail).where(documents.c.name == name, documents.c.trashed.is_(None))
    return connection.execute(asked).scalar()


def set_thumbnail(connection: Connection, name: str, picture: bytes | None) -> bool:
    """Gives a document a small picture, or takes it away; False when there is no such document."""
    changed = update(documents).where(documents.c.name == name, documents.c.trashed.is_(None))
    return connection.execute(changed.values(thumbnail=picture)).rowcount == 1


def _document(row: RowMapping) -> Document:
    return Document(**row)
