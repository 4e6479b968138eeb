"""What an operator sees: whether the server lives and is ready, and its numbers."""

import asyncio
import logging
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from nodeflow.protocol.health import Health, Readiness
from nodeflow.protocol.jobs import JobState
from nodeflow.server.metrics import Metrics, resident_bytes
from tests.server.streaming import Served, served
from tests.server.watching import ended, started, steps


async def numbers(server: Served) -> dict[tuple[str, ...], float]:
    """All samples, by their name and the values of their labels."""
    async with server.http.get(f"{server.url}/metrics", headers=server.headers("root")) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        text = await answer.text()
    families = text_string_to_metric_families(text)
    return {(each.name, *each.labels.values()): each.value for family in families for each in family.samples}


def test_a_server_lives_before_it_is_ready_and_says_what_it_waits_for(tmp_path: Path) -> None:
    async def live() -> None:
        async with served(tmp_path) as server:
            async with server.http.get(f"{server.url}/healthz") as answer:
                said = Health.model_validate(await answer.json())
                assert (answer.status, said.status, said.instance) == (200, "ok", server.hub.instance)
            async with server.http.get(f"{server.url}/readyz") as answer:
                readiness = Readiness.model_validate(await answer.json())
                assert answer.status == 503
                assert readiness == Readiness(ready=False, missing=("a worker that is ready",))

    asyncio.run(live())


def test_numbers_tell_of_jobs_nodes_workers_streams_and_requests(tmp_path: Path) -> None:
    async def live() -> None:
        async with served(tmp_path) as server:
            await started(server.hub, server.store)
            job = await started(server.hub, server.store)
            for how, seconds in (("ran", 0.2), ("hit-memory", 0.0), ("hit-disk", 0.0)):
                data = {"node": "n", "status": how, "seconds": seconds}
                await server.hub.publish(job, "ann", "node.finished", data)
            await steps(server.hub, job, 5)
            await ended(server.hub, server.store, job, JobState.FAILED)
            with server.hub.subscribe("ann", job=job):
                async with server.http.get(f"{server.url}/api/v1/jobs/x{job}/events", headers=server.headers()):
                    pass
                async with server.http.get(f"{server.url}/no/such/../place%0a", headers=server.headers()):
                    pass
                found = await numbers(server)
            assert found["nodeflow_jobs_queued_total",] == 2
            assert found["nodeflow_attempts_total",] == 2
            assert found["nodeflow_jobs_finished_total", "failed"] == 1
            assert found["nodeflow_jobs", "running"] == found["nodeflow_jobs", "failed"] == 1
            assert found["nodeflow_jobs", "queued"] == 0
            assert found["nodeflow_job_wait_seconds_count",] == 2
            assert found["nodeflow_job_seconds_sum", "failed"] == 1.0
            assert found["nodeflow_nodes_total", "hit-memory"] == found["nodeflow_nodes_total", "hit-disk"] == 1
            assert found["nodeflow_node_seconds_sum",] == pytest.approx(0.2)
            assert found["nodeflow_workers", "starting"] == 1
            assert found["nodeflow_worker_restarts", "cpu"] == 0
            assert found["nodeflow_streams",] == 1
            assert found["nodeflow_server_memory_bytes",] > 10_000_000
            assert found["nodeflow_http_request_seconds_count", "GET", "unknown", "404"] == 1
            assert found["nodeflow_http_request_seconds_count", "GET", "/api/v1/jobs/{id}/events", "404"] == 1

    asyncio.run(live())


def test_numbers_are_for_clients_only(tmp_path: Path) -> None:
    async def live() -> None:
        async with served(tmp_path) as server, server.http.get(f"{server.url}/metrics") as answer:
            assert (answer.status, (await answer.json())["code"]) == (401, "auth.missing")

    asyncio.run(live())


def test_what_clients_make_up_makes_no_new_numbers(tmp_path: Path) -> None:
    async def live() -> None:
        async with served(tmp_path) as server:
            for each in range(20):
                async with server.http.request("PROPFIND", f"{server.url}/p{each}", headers=server.headers()):
                    pass
            found = await numbers(server)
            asked = {key[1:] for key in found if key[0] == "nodeflow_http_request_seconds_count"}
            assert asked == {("other", "unknown", "404")}

    asyncio.run(live())


def test_requests_are_in_the_log_with_client_status_and_time(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def live() -> None:
        async with served(tmp_path) as server:
            await server.http.get(f"{server.url}/api/v1/jobs/{'0' * 26}/events", headers=server.headers())

    with caplog.at_level(logging.INFO, "nodeflow.server.http"):
        asyncio.run(live())
    (record,) = caplog.records
    assert record.__dict__["route"] == "/api/v1/jobs/{id}/events"
    assert (record.__dict__["client"], record.__dict__["status"], record.__dict__["job"]) == ("ann", 404, "0" * 26)
    assert record.__dict__["ms"] >= 0


def test_jobs_nobody_ends_do_not_pile_up_in_the_numbers() -> None:
    from nodeflow.protocol.events import JobEvent

    metrics = Metrics()
    for each in range(10_100):
        metrics.hear(JobEvent(job=f"{each:026}", seq=1, at=1.0, kind="queued"))
    assert len(metrics._since) == 10_000
    assert resident_bytes() > 10_000_000
