"""Jobs over HTTP: taken in once, refused with everything that is wrong, seen by their clients only."""

import json
import shutil
import time
from pathlib import Path

import pytest

import nodeflow_nodes
from nodeflow.protocol.tokens import Role
from nodeflow.server.settings import Limits, ServerSettings
from tests.server.documents_of_tests import number, shipped
from tests.server.serving import API, served

TINY = Path(nodeflow_nodes.__file__).parent / "models" / "checkpoints" / "emoji-tiny.safetensors"
TOO_MUCH = b'{"document": {"nodeflow": 1, "nodes": {}}, "metadata": {"a": "%s"}}' % (b"x" * 17_000)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with served(tmp_path_factory.mktemp("jobs")) as server:
        yield server


def submit(server, document, *, key=None, token=None, **rest):
    headers = {} if key is None else {"Idempotency-Key": key}
    return server.ask("POST", f"{API}/jobs", {"document": document, **rest}, headers=headers, token=token)


def test_a_job_that_was_taken_in_is_found_where_its_location_says(server):
    answer = submit(server, shipped("txt2img"), inputs={"steps": 2}, metadata={"order": 7}, priority=3)
    assert (answer.status, answer.json["state"], answer.json["title"]) == (201, "queued", "Text to image")
    there = server.get(answer.headers["location"]).json
    assert (there["id"], there["metadata"], there["priority"]) == (answer.json["id"], {"order": 7}, 3)
    assert {**there, "position": None} == answer.json
    document = server.get(f"{answer.headers['location']}/document").json
    assert document["nodes"]["sample"]["inputs"]["steps"] == 2
    assert "scheduler" in document["nodes"]["sample"]["inputs"]  # every input is written out
    assert server.get(f"{answer.headers['location']}/report").json["state"] == "queued"


def test_the_same_key_with_the_same_body_is_the_same_job(server):
    first = submit(server, number(1), key="a")
    again = [submit(server, number(1), key="a") for _ in range(9)]
    assert {(answer.status, answer.json["id"]) for answer in again} == {(200, first.json["id"])}
    inside = submit(server, number(1) | {"nodeflow": 1}, key="a")
    assert inside.json["id"] == first.json["id"]
    inside = [server.ask("POST", f"{API}/jobs", {"key": "a", "document": number(1)}) for _ in range(3)]
    assert {(answer.status, answer.json["id"]) for answer in inside} == {(200, first.json["id"])}


def test_the_same_key_with_another_body_is_a_conflict(server):
    first = submit(server, number(1), key="b")
    answer = submit(server, number(2), key="b")
    assert (answer.status, answer.code) == (409, "key.reused")
    assert first.json["id"] in json.dumps(answer.json)
    assert submit(server, number(1), key="b", priority=1).code == "key.reused"
    two = server.ask("POST", f"{API}/jobs", {"document": number(), "key": "c"}, headers={"Idempotency-Key": "d"})
    assert (two.status, two.code) == (422, "request.invalid")


def test_without_a_key_the_same_body_is_another_job(server):
    ids = {submit(server, number(5)).json["id"] for _ in range(3)}
    assert len(ids) == 3


def test_only_a_part_is_asked_for_where_targets_are_named(server):
    document = shipped("txt2img")
    answer = submit(server, document, targets=["positive"], refresh=True, key="part")
    assert answer.status == 201
    assert submit(server, document, targets=["positive"], refresh=True, key="part").status == 200
    wrong = submit(server, document, targets=["positiv"])
    assert (wrong.code, wrong.json["problems"][0]["code"]) == ("document.invalid", "target.unknown")


def test_draws_are_made_anew_for_each_job_and_kept_with_it(server):
    drawing = number({"draw": "random", "max": 9007199254740991})
    made = [submit(server, drawing).json for _ in range(4)]
    assert len({job["drawn"]["n.value"] for job in made}) == 4
    document = server.get(f"{API}/jobs/{made[0]['id']}/document").json
    assert document["nodes"]["n"]["inputs"]["value"] == made[0]["drawn"]["n.value"]


def test_a_request_that_comes_again_draws_nothing_again(server):
    drawing = number({"draw": "counter", "name": "turns"})
    first = submit(server, drawing, key="turn")
    assert [submit(server, drawing, key="turn").json["id"] for _ in range(3)] == [first.json["id"]] * 3
    assert submit(server, drawing).json["drawn"]["n.value"] == first.json["drawn"]["n.value"] + 1


def test_what_was_found_fit_a_moment_ago_is_checked_again_behind_the_answer(server):
    model = server.home.models / "checkpoints" / "mine.safetensors"
    model.parent.mkdir(parents=True)
    document = shipped("txt2img")
    document["nodes"]["base"]["inputs"]["checkpoint"] = model.name
    assert submit(server, document).code == "document.missing-file"
    shutil.copy(TINY, model)
    assert submit(server, document).status == 201
    model.unlink()
    deadline = time.monotonic() + 20
    while submit(server, document).status == 201:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_document_that_cannot_run_is_refused_with_all_that_is_wrong(server):
    document = shipped("txt2img")
    document["nodes"]["sample"]["inputs"] |= {"steps": -1, "sampler": "eulr"}
    document["nodes"]["base"]["inputs"]["checkpoint"] = "absent.safetensors"
    answer = submit(server, document, inputs={"promt": "x"})
    assert (answer.status, answer.code) == (422, "document.invalid")
    told = {(problem["node"], problem["input"], problem["code"]) for problem in answer.json["problems"]}
    assert told == {
        ("sample", "steps", "number.range"),
        ("sample", "sampler", "literal.choice"),
        ("base", "checkpoint", "file.missing"),
        (None, None, "setting.unknown"),
    }
    assert "(and 3 more)" in answer.json["message"]


def test_what_only_lacks_a_file_says_so(server):
    document = shipped("txt2img")
    document["nodes"]["base"]["inputs"]["checkpoint"] = "absent.safetensors"
    answer = submit(server, document)
    assert (answer.status, answer.code) == (422, "document.missing-file")


def test_files_of_the_machine_are_not_found_by_their_paths(server, tmp_path):
    (tmp_path / "x.png").write_bytes(b"")
    document = shipped("img2img")
    for name in (str(tmp_path / "x.png"), "../../x.png", "/etc/passwd"):
        answer = submit(server, document, inputs={"drawing": name})
        assert answer.status == 422


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "request.malformed"),
        (b'{"document": {}, "document": {}}', 400, "request.malformed"),
        (b"[]", 422, "request.invalid"),
        (b"{}", 422, "request.invalid"),
        (b'{"document": 1}', 422, "request.invalid"),
        (b'{"document": {}}', 422, "document.invalid"),
        (b'{"document": {"nodeflow": 1, "nodes": {}}, "priority": 101}', 422, "request.invalid"),
        (b'{"document": {"nodeflow": 1, "nodes": {}}, "prio": 1}', 422, "request.invalid"),
        (b'{"document": ' + b"[" * 100 + b"]" * 100 + b"}", 413, "request.too-large"),
        (b'{"document": {"nodeflow": 1, "nodes": {}}, "key": "%s"}' % bytes(200), 400, "request.malformed"),
        (TOO_MUCH, 422, "request.invalid"),
        (b'{"document": {"nodeflow": 1, "nodes": {}}, "webhook": "http://10.0.0.1/"}', 422, "webhook.refused"),
    ],
)  # fmt: skip
def test_a_body_that_is_no_request_is_refused(server, body, status, code):
    answer = server.ask("POST", f"{API}/jobs", body, headers={"Content-Type": "application/json"})
    assert (answer.status, answer.code) == (status, code), answer.body


def test_strict_counts_warnings_as_errors(server):
    document = number() | {"models": {"gone.safetensors": {"sha256": "0" * 64}}}
    taken = submit(server, document)
    assert (taken.status, len(taken.json["warnings"])) == (201, 1)
    assert submit(server, document, strict=True).code == "document.invalid"


def test_unknown_jobs_are_unknown_to_every_operation(server):
    id = "0" * 26
    asked = [
        ("GET", ""), ("GET", "/report"), ("GET", "/document"), ("POST", "/cancel"), ("POST", "/retry"), ("DELETE", "")
    ]  # fmt: skip
    for method, rest in asked:
        answer = server.ask(method, f"{API}/jobs/{id}{rest}")
        assert (answer.status, answer.code) == (404, "job.unknown"), (method, rest)


def test_a_queued_job_is_moved_cancelled_repeated_and_forgotten(server):
    job = submit(server, number(6)).json["id"]
    assert server.ask("PATCH", f"{API}/jobs/{job}", {"priority": 50}).json["priority"] == 50
    assert server.ask("DELETE", f"{API}/jobs/{job}").code == "job.not-final"
    assert server.ask("POST", f"{API}/jobs/{job}/cancel").json["state"] == "cancelled"
    assert server.ask("PATCH", f"{API}/jobs/{job}", {"priority": 5}).code == "job.not-queued"
    again = server.ask("POST", f"{API}/jobs/{job}/retry")
    assert (again.status, again.json["state"]) == (201, "queued")
    assert again.headers["location"].endswith(again.json["id"])
    assert server.ask("DELETE", f"{API}/jobs/{job}").status == 204
    assert server.get(f"{API}/jobs/{job}").status == 404


def test_the_list_goes_on_where_it_ended_and_is_filtered(server):
    ids = [submit(server, number(7), metadata={"n": n}).json["id"] for n in range(5)]
    server.ask("POST", f"{API}/jobs/{ids[0]}/cancel")
    first = server.get(f"{API}/jobs?limit=2").json
    second = server.get(f"{API}/jobs?limit=2&after={first['next']}").json
    assert [job["id"] for job in first["jobs"] + second["jobs"]] == ids[:0:-1]
    cancelled = server.get(f"{API}/jobs?state=cancelled,failed").json["jobs"]
    assert ids[0] in [job["id"] for job in cancelled]
    assert server.get(f"{API}/jobs?state=done").code == "request.invalid"
    assert server.get(f"{API}/jobs?limit=2&limit=3").code == "request.invalid"


def test_clients_see_their_own_jobs_only(server):
    ann, bob = server.make_token("ann", Role.RUN), server.make_token("bob", Role.RUN)
    eve = server.make_token("eve", Role.READ)
    job = submit(server, number(8), token=ann, key="k").json["id"]
    assert server.get(f"{API}/jobs/{job}", token=ann).status == 200
    for rest in ("", "/report", "/document"):
        assert server.get(f"{API}/jobs/{job}{rest}", token=bob).code == "job.unknown"
    assert server.ask("POST", f"{API}/jobs/{job}/cancel", token=bob).code == "job.unknown"
    assert [each["id"] for each in server.get(f"{API}/jobs", token=ann).json["jobs"]] == [job]
    assert server.get(f"{API}/jobs", token=bob).json["jobs"] == []
    assert server.get(f"{API}/jobs/{job}", token=server.token).json["client"] == "ann"
    assert submit(server, number(8), token=bob, key="k").json["id"] != job
    assert submit(server, number(8), token=eve).code == "auth.role"
    assert server.ask("POST", f"{API}/queue/pause", token=ann).code == "auth.role"
    assert server.ask("POST", f"{API}/queue/clear", token=ann).json == {"cancelled": 1}


def test_the_queue_is_paused_and_goes_on(server):
    assert server.ask("POST", f"{API}/queue/pause", token=server.token).json["paused"] is True
    assert server.get(f"{API}/queue", token=server.token).json["paused"] is True
    assert server.ask("POST", f"{API}/queue/resume", token=server.token).json["paused"] is False


def test_a_full_queue_says_when_to_come_again(tmp_path):
    with served(tmp_path, ServerSettings(port=0, limits=Limits(queue=2))) as server:
        assert [submit(server, number(n)).status for n in range(2)] == [201, 201]
        answer = submit(server, number(3))
        assert (answer.status, answer.code) == (429, "queue.full")
        assert int(answer.headers["retry-after"]) > 0
        assert server.get(f"{API}/jobs").json["total"] == 2


def test_a_server_of_published_workflows_takes_no_documents(tmp_path):
    with served(tmp_path, ServerSettings(port=0, published_only=True)) as server:
        assert submit(server, number()).code == "documents.published-only"
        assert server.ask("POST", f"{API}/explain", {"document": number()}).code == "documents.published-only"
        assert server.ask("POST", f"{API}/sweeps", {"document": number()}).code == "documents.published-only"
        server.ask("POST", f"{API}/workflows/n", {"document": number()})
        answer = server.ask("POST", f"{API}/workflows/n/run?wait=0", {"inputs": {"value": 3}})
        assert (answer.status, answer.json["workflow"]) == (202, "n@1")
        assert server.get(f"{API}/version").json["published_only"] is True
