"""The client for programs that use asyncio."""

from typing import Self

from nodeflow.client.address import find_address
from nodeflow.client.documents import DocumentCalls
from nodeflow.client.files import FileCalls
from nodeflow.client.jobs import JobCalls
from nodeflow.client.operation import OperationCalls
from nodeflow.client.sweeps import SweepCalls
from nodeflow.client.transport import Transport
from nodeflow.client.workflows import WorkflowCalls


class AsyncClient(JobCalls, SweepCalls, FileCalls, WorkflowCalls, DocumentCalls, OperationCalls):
    """A typed client of a nodeflow server: ``async with AsyncClient() as client``.

    Args:
        url: By default ``$NODEFLOW_SERVER``, else the server of ``$NODEFLOW_HOME``, else ``http://127.0.0.1:8188``.
        token: ``$NODEFLOW_TOKEN`` by default; the server of ``$NODEFLOW_HOME`` needs none.
        patience: Seconds for which a server that went away is waited for.
    """

    def __init__(self, url: str | None = None, token: str | None = None, *, patience: float = 60.0) -> None:
        super().__init__(Transport(find_address(url, token), patience), patience)

    @property
    def url(self) -> str:
        """Where the server is."""
        return self._transport.address.url

    async def aclose(self) -> None:
        """Ends all connections."""
        await self._transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()
