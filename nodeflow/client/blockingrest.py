"""Files, workflows, documents and the server itself, for programs that do not use asyncio."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from nodeflow.client.loop import Blocking
from nodeflow.protocol.about import Explanation, Version
from nodeflow.protocol.catalogue import ModelPage, NodeEntry, NodeList
from nodeflow.protocol.documents import DocumentInfo, DocumentPage, DocumentVersions
from nodeflow.protocol.files import FileInfo, FilePage
from nodeflow.protocol.jobs import JobInfo, JobOptions
from nodeflow.protocol.tokens import Me, Role, TokenMade, TokenPage
from nodeflow.protocol.workflows import WorkflowDetail, WorkflowInfo, WorkflowPage


class BlockingFiles(Blocking):
    """Calls about files; see ``FileCalls``."""

    def upload(self, path: Path | str, name: str = "", *, replace: bool = False, upright: bool = False) -> FileInfo:
        """Sends a file, so that documents may name it; see ``AsyncClient.upload``."""
        return self._do(self._client.upload(path, name, replace=replace, upright=upright))

    def download(self, output: str) -> Iterator[bytes]:
        """The content of an output, piece by piece; see ``AsyncClient.download``."""
        return self._each(self._client.download(output))

    def files(self, *, after: str | None = None, limit: int | None = None) -> FilePage:
        """A page of the list of files that were sent; see ``AsyncClient.files``."""
        return self._do(self._client.files(after=after, limit=limit))

    def delete_file(self, name: str) -> None:
        """Puts a file that was sent into the trash."""
        self._do(self._client.delete_file(name))


class BlockingWorkflows(Blocking):
    """Calls about published workflows; see ``WorkflowCalls``."""

    def publish(self, name: str, document: Mapping[str, Any], note: str = "") -> WorkflowInfo:
        """Publishes a document as the next version of a workflow; see ``AsyncClient.publish``."""
        return self._do(self._client.publish(name, document, note))

    def workflows(self) -> WorkflowPage:
        """All published workflows."""
        return self._do(self._client.workflows())

    def workflow(self, name: str) -> WorkflowDetail:
        """A published workflow with its document and the JSON Schema of its inputs."""
        return self._do(self._client.workflow(name))

    def call(
        self,
        name: str,
        inputs: Mapping[str, JsonValue] | None = None,
        *,
        wait: float = 0,
        options: JobOptions | None = None,
        key: str | None = None,
    ) -> JobInfo:
        """Runs a published workflow; see ``AsyncClient.call``."""
        return self._do(self._client.call(name, inputs, wait=wait, options=options, key=key))


class BlockingDocuments(Blocking):
    """Calls about documents; see ``DocumentCalls``."""

    def documents(self, *, after: str | None = None, limit: int | None = None, trashed: bool = False) -> DocumentPage:
        """A page of the list of documents; see ``AsyncClient.documents``."""
        return self._do(self._client.documents(after=after, limit=limit, trashed=trashed))

    def document(self, name: str, version: int | None = None) -> dict[str, Any]:
        """A document as it was saved, the latest version by default."""
        return self._do(self._client.document(name, version))

    def save_document(
        self, name: str, document: Mapping[str, Any], *, version: int = 0, note: str = ""
    ) -> DocumentInfo:
        """Saves a document; see ``AsyncClient.save_document``."""
        return self._do(self._client.save_document(name, document, version=version, note=note))

    def versions(self, name: str) -> DocumentVersions:
        """All versions of a document, the latest first."""
        return self._do(self._client.versions(name))

    def rename_document(self, name: str, to: str) -> DocumentInfo:
        """Gives a document another name."""
        return self._do(self._client.rename_document(name, to))

    def delete_document(self, name: str) -> DocumentInfo:
        """Puts a document into the trash."""
        return self._do(self._client.delete_document(name))

    def restore_document(self, id: str) -> DocumentInfo:
        """Takes a document out of the trash."""
        return self._do(self._client.restore_document(id))


class BlockingOperation(Blocking):
    """Calls about the server itself; see ``OperationCalls``."""

    def version(self) -> Version:
        """Which nodeflow it is."""
        return self._do(self._client.version())

    def explain(
        self,
        document: Mapping[str, Any],
        inputs: Mapping[str, JsonValue] | None = None,
        *,
        targets: Iterable[str] | None = None,
    ) -> Explanation:
        """What would run again of a document, and why; see ``AsyncClient.explain``."""
        return self._do(self._client.explain(document, inputs, targets=targets))

    def nodes(self) -> NodeList:
        """All nodes of all packs."""
        return self._do(self._client.nodes())

    def node(self, id: str) -> NodeEntry:
        """One node."""
        return self._do(self._client.node(id))

    def models(
        self, *, kind: str | None = None, search: str | None = None, after: str | None = None, limit: int | None = None
    ) -> ModelPage:
        """A page of the list of model files; see ``AsyncClient.models``."""
        return self._do(self._client.models(kind=kind, search=search, after=after, limit=limit))

    def me(self) -> Me:
        """Who this client is for the server."""
        return self._do(self._client.me())

    def tokens(self) -> TokenPage:
        """All tokens; for admins."""
        return self._do(self._client.tokens())

    def create_token(self, name: str, role: Role = Role.RUN) -> TokenMade:
        """Makes a token, which is shown this once; for admins."""
        return self._do(self._client.create_token(name, role))

    def rotate_token(self, name: str) -> TokenMade:
        """Replaces a token by a new one for the same client; see ``AsyncClient.rotate_token``."""
        return self._do(self._client.rotate_token(name))

    def revoke_token(self, name: str) -> None:
        """Makes a token worthless, at once; for admins."""
        self._do(self._client.revoke_token(name))
