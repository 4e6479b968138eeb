"""Published workflows, as a client asks for them and calls them."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from pydantic import JsonValue

from nodeflow.client.calls import Calls
from nodeflow.client.transport import Ask
from nodeflow.protocol.jobs import JobInfo, JobOptions
from nodeflow.protocol.workflows import CallRequest, Publication, WorkflowDetail, WorkflowInfo, WorkflowPage

_LATEST = "latest"


class WorkflowCalls(Calls):
    """Calls about published workflows. ``name`` may end in ``@VERSION``; without it the latest is meant."""

    async def publish(self, name: str, document: Mapping[str, Any], note: str = "") -> WorkflowInfo:
        """Publishes a document as the next version of a workflow, which never changes from then on.

        The document that the latest version has is that version.

        Args:
            name: Of the workflow, without a version.
            document: With an interface: its inputs are what callers set, its outputs what they get.
            note: What is new in it.

        Raises:
            RefusedDocument: With every problem of the document.
        """
        body = Publication(document=document, note=note)
        ask = Ask("POST", f"/api/v1/workflows/{quote(name, safe='')}", body=body, repeatable=True)
        return await self._transport.ask(ask, WorkflowInfo)

    async def workflows(self) -> WorkflowPage:
        """All published workflows."""
        return await self._transport.ask(Ask("GET", "/api/v1/workflows", repeatable=True), WorkflowPage)

    async def workflow(self, name: str) -> WorkflowDetail:
        """A published workflow with its document and the JSON Schema of its inputs."""
        return await self._transport.ask(Ask("GET", _place(name), repeatable=True), WorkflowDetail)

    async def call(
        self,
        name: str,
        inputs: Mapping[str, JsonValue] | None = None,
        *,
        wait: float = 0,
        options: JobOptions | None = None,
        key: str | None = None,
    ) -> JobInfo:
        """Runs a published workflow.

        Args:
            name: Of the workflow.
            inputs: Values by name of its interface; texts are read by the declared type.
            wait: Seconds to wait for the end; the job as it is then is what is given back.
            options: Priority, deadline, webhook and the like.
            key: The same key with the same values is the same job; one is made where none is given.

        Raises:
            RefusedDocument: A value does not fit.
        """
        given = {} if options is None else options.model_dump()
        body = CallRequest(inputs=inputs or {}, key=key or uuid4().hex, **given)
        path, head = f"{_place(name)}/run", {"Accept": "application/json"}
        ask = Ask("POST", path, {"wait": wait}, body=body, headers=head, repeatable=True, silence=wait + 30)
        return await self._transport.ask(ask, JobInfo)


def _place(name: str) -> str:
    return f"/api/v1/workflows/{quote(name if '@' in name else f'{name}@{_LATEST}', safe='@')}"
