"""Every group of calls once, against a running server."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from nodeflow.client import Client, Refused, RefusedDocument
from nodeflow.core.errors import InvalidDocument
from nodeflow.protocol.jobs import JobChange, JobOptions, JobState
from nodeflow.protocol.sweeps import SweepState
from nodeflow.version import __version__
from tests.cli.conftest import document, interface
from tests.cli.liveserver import LiveServer

JOIN: dict[str, Any] = json.loads(
    document({"j": ("Join", {"text": "a"})}, interface=interface({"text": "j.text"}, {"answer": "j.text"}))
)


@pytest.fixture
def client(server: LiveServer) -> Iterator[Client]:
    with Client(server.url) as made:
        yield made


def test_a_job_is_submitted_with_options_and_told_of(client: Client) -> None:
    options = JobOptions(priority=3, metadata={"order": 7}, deadline=60)
    job = client.submit(JOIN, {"text": "b"}, options=options, targets=["answer"])
    assert (job.priority, job.metadata, job.deadline) == (3, {"order": 7}, 60)
    done = client.wait(job.id)
    assert done.state is JobState.SUCCEEDED
    assert done.outputs["answer"][0].value == "b 0"
    assert b"".join(client.download(done.outputs["answer"][0].id)) == b"b 0"
    assert client.report(job.id).report is not None
    assert client.jobs(states=[JobState.SUCCEEDED], limit=1).jobs[0].id == job.id


def test_the_same_key_is_the_same_job(client: Client) -> None:
    assert client.submit(JOIN, key="one").id == client.submit(JOIN, key="one").id
    with pytest.raises(Refused, match=r"key\.reused"):
        client.submit(JOIN, {"text": "other"}, key="one")


def test_what_is_wrong_with_a_document_is_an_exception_with_all_of_it(client: Client) -> None:
    broken = json.loads(document({"a": ("Count", {"steps": 0}), "b": ("Join", {})}))
    with pytest.raises(RefusedDocument) as caught:
        client.submit(broken)
    assert {(problem.node, problem.input) for problem in caught.value.problems} >= {("a", "steps"), ("b", "text")}
    assert isinstance(caught.value, InvalidDocument)


def test_the_queue_is_paused_and_reordered(client: Client) -> None:
    assert client.pause().paused
    first, second = client.submit(JOIN).id, client.submit(JOIN).id
    assert client.change(second, JobChange(before=first)).position == 0
    assert client.queue().queued == 2
    assert client.clear().cancelled == 2
    assert not client.resume().paused
    again = client.retry(first)
    assert client.wait(again.id).state is JobState.SUCCEEDED
    client.delete(first)
    with pytest.raises(Refused, match=r"job\.unknown"):
        client.info(first)


def test_a_workflow_is_published_and_called(client: Client) -> None:
    made = client.publish("joining", JOIN, "first")
    assert (made.name, made.version) == ("joining", 1)
    assert [each.name for each in client.workflow("joining").inputs] == ["text"]
    assert [each.name for each in client.workflows().workflows] == ["joining"]
    for name in ("joining", "joining@1", "joining@latest"):
        job = client.call(name, {"text": name}, wait=30)
        assert job.outputs["answer"][0].value == f"{name} 0"
        assert job.workflow == "joining@1"
    assert client.wait(client.call("joining").id).state is JobState.SUCCEEDED


def test_a_sweep_is_one_thing(client: Client) -> None:
    sweep = client.sweep(JOIN, {"text": ["x", "y"], "j.number": "1..3"}, sheet=False)
    assert (sweep.total, sweep.axes) == (6, (("text",), ("j.number",)))
    for point in sweep.points:
        client.wait(point.job)
    while (done := client.sweep_info(sweep.id)).state is SweepState.RUNNING:
        time.sleep(0.02)
    assert done.state is SweepState.SUCCEEDED
    assert [point.outputs["answer"][0].value for point in done.points] == [f"{a} {n}" for a in "xy" for n in (1, 2, 3)]
    assert client.sweeps(limit=1).sweeps[0].id == sweep.id
    assert client.cancel_sweep(sweep.id).state is SweepState.SUCCEEDED


def test_documents_are_kept_in_versions(client: Client) -> None:
    assert client.save_document("mine", JOIN).version == 1
    other = {**JOIN, "meta": {"title": "other"}}
    assert client.save_document("mine", other, version=1, note="again").version == 2
    with pytest.raises(Refused, match=r"document\.stale"):
        client.save_document("mine", {**JOIN, "meta": {"title": "third"}}, version=1)
    assert client.document("mine", 1) == JOIN
    assert [each.version for each in client.versions("mine").versions] == [2, 1]
    assert client.rename_document("mine", "yours").name == "yours"
    gone = client.delete_document("yours")
    assert [each.id for each in client.documents(trashed=True).documents] == [gone.id]
    assert client.restore_document(gone.id).name == "yours"
    assert [each.name for each in client.documents().documents] == ["yours"]


def test_the_server_tells_what_it_has(client: Client) -> None:
    assert client.version().nodeflow == __version__
    assert client.me().client == "local"
    assert "shelltest" in [pack["name"] for pack in client.nodes().packs]
    assert client.node("KSampler").node["id"] == "KSampler"
    assert "checkpoints" in client.models(kind="checkpoints").kinds
    assert client.create_token("dave").token.startswith("nf_")
    assert [token.name for token in client.tokens().tokens] == ["dave"]
    client.revoke_token("dave")
    assert client.rotate_token("dave").revoked is None
    client.revoke_token("dave")


def test_what_would_run_is_explained(client: Client) -> None:
    (node,) = client.explain(JOIN, {"text": "never seen before"}).nodes
    assert (node.node, node.state) == ("j", "run")
