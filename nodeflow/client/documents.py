"""Documents that the server keeps, as a client asks for them; for admins."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from nodeflow.client.calls import Calls
from nodeflow.client.transport import Ask
from nodeflow.protocol.documents import DocumentChange, DocumentInfo, DocumentPage, DocumentVersions


class DocumentCalls(Calls):
    """Calls about documents."""

    async def documents(
        self, *, after: str | None = None, limit: int | None = None, trashed: bool = False
    ) -> DocumentPage:
        """A page of the list of documents; ``next`` of it is the ``after`` of the following one."""
        query = {"after": after, "limit": limit, "trashed": trashed or None}
        return await self._transport.ask(Ask("GET", "/api/v1/documents", query, repeatable=True), DocumentPage)

    async def document(self, name: str, version: int | None = None) -> dict[str, Any]:
        """A document as it was saved, the latest version by default."""
        ask = Ask("GET", _place(name), {"version": version}, repeatable=True)
        return await self._transport.ask(ask, dict[str, Any])

    async def save_document(
        self, name: str, document: Mapping[str, Any], *, version: int = 0, note: str = ""
    ) -> DocumentInfo:
        """Saves a document.

        Args:
            name: Of the document.
            document: The whole of it.
            version: The one that this was made from; 0 for a new document.
            note: What is new in it.

        Raises:
            RefusedRequest: Somebody has saved another version meanwhile; ``body.detail`` has both.
        """
        query = {"version": version, "note": note or None}
        return await self._transport.ask(Ask("PUT", _place(name), query, body=document), DocumentInfo)

    async def versions(self, name: str) -> DocumentVersions:
        """All versions of a document, the latest first."""
        return await self._transport.ask(Ask("GET", f"{_place(name)}/versions", repeatable=True), DocumentVersions)

    async def rename_document(self, name: str, to: str) -> DocumentInfo:
        """Gives a document another name."""
        return await self._transport.ask(Ask("PATCH", _place(name), body=DocumentChange(name=to)), DocumentInfo)

    async def delete_document(self, name: str) -> DocumentInfo:
        """Puts a document into the trash."""
        return await self._transport.ask(Ask("DELETE", _place(name)), DocumentInfo)

    async def restore_document(self, id: str) -> DocumentInfo:
        """Takes a document out of the trash."""
        path = f"/api/v1/trash/documents/{quote(id, safe='')}/restore"
        return await self._transport.ask(Ask("POST", path), DocumentInfo)


def _place(name: str) -> str:
    return f"/api/v1/documents/{quote(name, safe='')}"
