"""A queue that is taken from one server to another."""

import json

from nodeflow.protocol.tokens import Role
from nodeflow.server.settings import Limits, ServerSettings
from tests.server.documents_of_tests import number
from tests.server.serving import API, served

EXPORT, IMPORT = f"{API}/queue/export", f"{API}/queue/import"


def submit(server, document, token, **rest):
    return server.ask("POST", f"{API}/jobs", {"document": document, **rest}, token=token).json["id"]


def test_jobs_go_on_waiting_elsewhere_with_all_that_belongs_to_them(tmp_path):
    with served(tmp_path / "one") as server:
        ann = server.make_token("ann", Role.RUN)
        submit(server, number({"draw": "random", "max": 9}), ann, priority=5, metadata={"order": 7})
        submit(server, number(), server.token, inputs={"value": 3})
        assert server.get(EXPORT, token=ann).code == "auth.role"
        exported = server.get(EXPORT, token=server.token)
        queue = exported.json
        drawn = queue["jobs"][0]["drawn"]["n.value"]
        assert "attachment" in exported.headers["content-disposition"]
        assert server.get(f"{API}/queue", token=server.token).json["queued"] == 2
    with served(tmp_path / "two") as server:
        ids = server.ask("POST", IMPORT, queue, token=server.token).json["jobs"]
        first, second = (server.get(f"{API}/jobs/{id}", token=server.token).json for id in ids)
        assert (first["client"], first["priority"], first["metadata"]) == ("ann", 5, {"order": 7})
        assert first["drawn"] == {"n.value": drawn}
        assert second["client"] == "local"
        documents = [server.get(f"{API}/jobs/{id}/document", token=server.token).json for id in ids]
        assert [document["nodes"]["n"]["inputs"]["value"] for document in documents] == [drawn, 3]
        assert server.get(EXPORT, token=server.token).json == queue


def test_an_export_with_one_bad_job_or_too_many_is_not_taken_in_at_all(tmp_path):
    good = {"client": "ann", "document": number()}
    with served(tmp_path, ServerSettings(port=0, limits=Limits(queue=2))) as server:
        token = server.token
        bad = {"client": "ann", "document": {"nodeflow": 1, "nodes": {"n": {"type": "Nothing"}}}}
        answer = server.ask("POST", IMPORT, {"jobs": [good, bad]}, token=token)
        assert (answer.status, answer.code) == (422, "document.invalid")
        assert answer.json["message"].startswith("jobs.1: ")
        assert answer.json["problems"]
        assert server.ask("POST", IMPORT, {"jobs": [good] * 3}, token=token).code == "queue.full"
        escape = {**good, "client": "../ann"}
        assert server.ask("POST", IMPORT, {"jobs": [escape]}, token=token).code == "request.invalid"
        assert server.ask("POST", IMPORT, {"nodeflow": 2, "jobs": []}, token=token).code == "request.invalid"
        hooked = {**good, "options": {"webhook": "https://elsewhere.example/"}}
        assert server.ask("POST", IMPORT, {"jobs": [hooked]}, token=token).code == "webhook.refused"
        assert json.loads(server.get(EXPORT, token=token).body) == {"nodeflow": 1, "jobs": []}


def test_a_server_of_published_workflows_takes_none(tmp_path):
    with served(tmp_path, ServerSettings(port=0, published_only=True)) as server:
        assert server.ask("POST", IMPORT, {"jobs": []}, token=server.token).code == "documents.published-only"
