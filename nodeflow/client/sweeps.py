"""Sweeps, as a client asks for them."""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from pydantic import JsonValue

from nodeflow.client.calls import Calls
from nodeflow.client.transport import Ask
from nodeflow.protocol.jobs import JobOptions
from nodeflow.protocol.sweeps import SweepInfo, SweepPage, SweepRequest


class SweepCalls(Calls):
    """Calls about sweeps."""

    async def sweep(
        self,
        source: Mapping[str, Any] | str,
        over: Mapping[str, Iterable[JsonValue] | str] | None = None,
        inputs: Mapping[str, JsonValue] | None = None,
        *,
        rows: Iterable[Mapping[str, JsonValue]] = (),
        zip: bool = False,
        targets: Iterable[str] | None = None,
        sheet: bool = True,
        options: JobOptions | None = None,
        key: str | None = None,
    ) -> SweepInfo:
        """Runs a workflow at every combination of some values: a job for each, taken in together.

        Args:
            source: A document, or ``name@version`` of a published workflow.
            over: Values of each input that varies: a list, or a text such as ``4..8/5``.
            inputs: Values that are the same at all points.
            rows: One more axis, each step of which sets several inputs.
            zip: The inputs in ``over`` walk together instead of being combined.
            targets: What to run up to; everything by default.
            sheet: Lay the pictures out by their values in the end.
            options: Priority, deadline, webhook and the like, for each job.
            key: The same key with the same request is the same sweep; one is made where none is given.

        Raises:
            RefusedDocument: Some point cannot run.
        """
        spread = {name: values if isinstance(values, str) else tuple(values) for name, values in (over or {}).items()}
        request = SweepRequest(
            document=None if isinstance(source, str) else source,
            workflow=source if isinstance(source, str) else None,
            inputs=inputs or {},
            over=spread,
            rows=tuple(rows),
            zip=zip,
            targets=None if targets is None else tuple(targets),
            sheet=sheet,
            key=key or uuid4().hex,
            **({} if options is None else options.model_dump()),
        )
        return await self._transport.ask(Ask("POST", "/api/v1/sweeps", body=request, repeatable=True), SweepInfo)

    async def sweeps(self, *, after: str | None = None, limit: int | None = None) -> SweepPage:
        """A page of the list of sweeps; ``next`` of it is the ``after`` of the following one."""
        query = {"after": after, "limit": limit}
        return await self._transport.ask(Ask("GET", "/api/v1/sweeps", query, repeatable=True), SweepPage)

    async def sweep_info(self, sweep: str, *, after: int | None = None, limit: int | None = None) -> SweepInfo:
        """A sweep with a part of its points, the first 1000 by default."""
        query = {"after": after, "limit": limit}
        return await self._transport.ask(Ask("GET", _place(sweep), query, repeatable=True), SweepInfo)

    async def cancel_sweep(self, sweep: str) -> SweepInfo:
        """Stops what has not ended of a sweep."""
        return await self._transport.ask(Ask("POST", f"{_place(sweep)}/cancel", repeatable=True), SweepInfo)


def _place(sweep: str) -> str:
    return f"/api/v1/sweeps/{quote(sweep, safe='')}"
