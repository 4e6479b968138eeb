"""What a server has installed, and who may use it, as a client asks for it."""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from pydantic import JsonValue

from nodeflow.client.calls import Calls
from nodeflow.client.transport import Ask
from nodeflow.protocol.about import ExplainRequest, Explanation, Version
from nodeflow.protocol.catalogue import ModelPage, NodeEntry, NodeList
from nodeflow.protocol.tokens import Me, Role, TokenMade, TokenPage, TokenRequest


class OperationCalls(Calls):
    """Calls about the server itself."""

    async def version(self) -> Version:
        """Which nodeflow it is."""
        return await self._transport.ask(Ask("GET", "/api/v1/version", repeatable=True), Version)

    async def explain(
        self,
        document: Mapping[str, Any],
        inputs: Mapping[str, JsonValue] | None = None,
        *,
        targets: Iterable[str] | None = None,
    ) -> Explanation:
        """What would run again of a document, and why; nothing is run. What is wrong with it is in the answer."""
        wanted = None if targets is None else tuple(targets)
        body = ExplainRequest(document=document, inputs=inputs or {}, targets=wanted)
        return await self._transport.ask(Ask("POST", "/api/v1/explain", body=body, repeatable=True), Explanation)

    async def nodes(self) -> NodeList:
        """All nodes of all packs."""
        return await self._transport.ask(Ask("GET", "/api/v1/nodes", repeatable=True), NodeList)

    async def node(self, id: str) -> NodeEntry:
        """One node."""
        return await self._transport.ask(Ask("GET", f"/api/v1/nodes/{quote(id, safe='')}", repeatable=True), NodeEntry)

    async def models(
        self, *, kind: str | None = None, search: str | None = None, after: str | None = None, limit: int | None = None
    ) -> ModelPage:
        """A page of the list of model files; ``next`` of it is the ``after`` of the following one."""
        query = {"kind": kind, "search": search, "after": after, "limit": limit}
        return await self._transport.ask(Ask("GET", "/api/v1/models", query, repeatable=True), ModelPage)

    async def me(self) -> Me:
        """Who this client is for the server."""
        return await self._transport.ask(Ask("GET", "/api/v1/me", repeatable=True), Me)

    async def tokens(self) -> TokenPage:
        """All tokens; for admins."""
        return await self._transport.ask(Ask("GET", "/api/v1/tokens", repeatable=True), TokenPage)

    async def create_token(self, name: str, role: Role = Role.RUN) -> TokenMade:
        """Makes a token, which is shown this once; for admins."""
        ask = Ask("POST", "/api/v1/tokens", body=TokenRequest(name=name, role=role))
        return await self._transport.ask(ask, TokenMade)

    async def rotate_token(self, name: str) -> TokenMade:
        """Replaces a token, a revoked one too, by a new one for the same client, at once; for admins."""
        return await self._transport.ask(Ask("POST", f"/api/v1/tokens/{quote(name, safe='')}/rotate"), TokenMade)

    async def revoke_token(self, name: str) -> None:
        """Makes a token worthless, at once; for admins."""
        await self._transport.do(Ask("DELETE", f"/api/v1/tokens/{quote(name, safe='')}"))
