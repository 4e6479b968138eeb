"""Only admins are told where the files of a server are."""

import asyncio
from pathlib import Path
from typing import Any

from nodeflow.protocol.tokens import Role
from nodeflow.server.workers import PROGRAM
from tests.server.serving import API, served
from tests.server.working import shop


def node(type: str, **inputs: Any) -> dict[str, Any]:
    return {"nodeflow": 1, "nodes": {"it": {"type": type, "inputs": inputs}}}


def test_a_refusal_tells_clients_of_no_path_of_the_server(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        asked = {"document": node("LoadImage", image="absent.png")}
        admin = server.ask("POST", f"{API}/jobs", asked, token=server.token)
        assert f"{tmp_path}/input" in admin.json["message"]
        client = server.ask("POST", f"{API}/jobs", asked, token=server.make_token("ann", Role.RUN))
        assert (client.status, client.code) == (422, "document.missing-file")
        assert "$NODEFLOW_HOME/uploads/ann or $NODEFLOW_HOME/input" in client.json["message"]
        assert str(tmp_path).encode() not in client.body


def test_neither_does_a_job_that_fails_nor_one_of_its_events(tmp_path: Path) -> None:
    async def story() -> None:
        (tmp_path / "output" / "ann").mkdir(parents=True)
        (tmp_path / "output" / "ann" / "away").symlink_to(tmp_path)
        async with shop(tmp_path, program=PROGRAM) as its:
            id = await its.submit(node("SaveText", text="hello", filename_prefix="away/x"), client="ann")
            info = await its.done(id)
            assert info.error is not None
            assert "$NODEFLOW_HOME/output/ann" in info.error.message
            (failed,) = [event for event in await its.events(id) if event.kind == "node.failed"]
            assert "$NODEFLOW_HOME/output/ann" in str(failed.data)
            assert str(tmp_path) not in f"{info} {await its.events(id)}"

    asyncio.run(story())
