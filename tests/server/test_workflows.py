"""Published workflows: versions that never change, and calls by what their interface shows."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema_rs import Draft202012Validator

from nodeflow.core.reading import read_json
from nodeflow.protocol.tokens import Role
from nodeflow.server.accepting import suits, wanted_pictures
from nodeflow.server.interfaces import interface_of
from nodeflow.session.workplace import Workplace
from tests.server.documents_of_tests import WORKFLOWS, number, shipped
from tests.server.serving import API, Server, served


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with served(tmp_path_factory.mktemp("workflows")) as server:
        yield server


def publish(server: Server, name: str, document: dict[str, Any], note: str = "", **options: Any) -> Any:
    return server.ask("POST", f"{API}/workflows/{name}", {"document": document, "note": note}, **options)


def call(server: Server, name: str, **inputs: Any) -> Any:
    return server.ask("POST", f"{API}/workflows/{name}/run?wait=0", {"inputs": inputs})


def test_a_version_stays_as_it_was_published(server: Server) -> None:
    first = publish(server, "counted", number(1), "the first")
    assert (first.status, first.json["version"], first.json["note"]) == (201, 1, "the first")
    assert first.headers["location"] == f"{API}/workflows/counted@1"
    second = publish(server, "counted", number(2))
    assert second.json["version"] == 2
    values = {
        reference: server.get(f"{API}/workflows/{reference}").json["document"]["nodes"]["n"]["inputs"]["value"]
        for reference in ("counted@1", "counted@2", "counted", "counted@latest")
    }
    assert values == {"counted@1": 1, "counted@2": 2, "counted": 2, "counted@latest": 2}
    again = publish(server, "counted", number(2))
    assert (again.status, again.json["version"]) == (200, 2)
    listed = [(each["name"], each["version"]) for each in server.get(f"{API}/workflows").json["workflows"]]
    assert listed[:2] == [("counted", 2), ("counted", 1)]


def test_ten_who_publish_at_once_get_ten_versions(server: Server) -> None:
    with ThreadPoolExecutor(10) as many:
        made = [answer.json["version"] for answer in many.map(lambda n: publish(server, "race", number(n)), range(10))]
    assert sorted(made) == list(range(1, 11))


def test_what_a_workflow_takes_and_gives_is_told(server: Server) -> None:
    publish(server, "told", shipped("img2img"))
    found = server.get(f"{API}/workflows/told").json
    told = {each["name"]: (each["title"], each["type"], each["widget"]) for each in found["inputs"]}
    assert told["prompt"] == ("Prompt", "str", "text")
    assert told["seed"] == ("Seed", "int", "seed")
    assert told["drawing"][2] == "image_file"
    assert [(each["name"], each["type"]) for each in found["outputs"]] == [("picture", "Image")]
    schema = server.get(f"{API}/workflows/told/schema")
    assert schema.headers["content-type"].startswith("application/schema+json")
    Draft202012Validator(schema.json)
    assert schema.json == found["input_schema"]


def test_a_picture_that_only_callers_have_is_left_to_them(server: Server) -> None:
    assert publish(server, "drawn", shipped("img2img")).status in (200, 201)
    answer = call(server, "drawn")
    assert (answer.status, answer.code) == (422, "document.missing-file")


def test_a_document_that_cannot_run_is_not_published(server: Server) -> None:
    document = shipped("txt2img")
    document["nodes"]["sample"]["inputs"]["sampler"] = "eulr"
    answer = publish(server, "broken", document)
    assert (answer.status, answer.code) == (422, "document.invalid")
    assert server.get(f"{API}/workflows/broken").code == "workflow.unknown"


@pytest.mark.parametrize("name", ["a@1", "..", "a b", ".hidden", "x" * 101])
def test_names_are_such_as_stand_in_a_url(server: Server, name: str) -> None:
    assert publish(server, name.replace(" ", "%20"), number()).code in ("request.invalid", "route.unknown")


@pytest.mark.parametrize("reference", ["absent", "counted@99", "counted@0", "counted@x", "@1", "counted@1@2"])
def test_what_was_not_published_is_unknown(server: Server, reference: str) -> None:
    for method, rest in (("GET", ""), ("GET", "/schema"), ("POST", "/run")):
        assert server.ask(method, f"{API}/workflows/{reference}{rest}").code == "workflow.unknown"


def test_a_call_is_a_job_of_that_version(server: Server) -> None:
    publish(server, "called", number(1))
    publish(server, "called", number(2))
    answer = call(server, "called@1", value=7)
    assert (answer.status, answer.json["workflow"]) == (202, "called@1")
    assert answer.headers["location"] == f"{API}/jobs/{answer.json['id']}"
    document = server.get(f"{answer.headers['location']}/document").json
    assert document["nodes"]["n"]["inputs"]["value"] == 7
    assert call(server, "called", value="9").json["workflow"] == "called@2"
    assert server.ask("POST", f"{API}/workflows/called/run?wait=0").json["workflow"] == "called@2"
    found = server.get(f"{API}/jobs?workflow=called").json["jobs"]
    assert {job["workflow"] for job in found} == {"called@1", "called@2"}


def test_only_what_the_interface_shows_can_be_set(server: Server) -> None:
    publish(server, "shown", shipped("txt2img"))
    for name in ("sample.cfg", "promt", "ui"):
        answer = call(server, "shown", **{name: 1})
        assert (answer.status, answer.code) == (422, "document.invalid")
        assert answer.json["problems"][0]["code"] == "setting.unknown"
    assert "prompt" in call(server, "shown", promt="x").json["problems"][0]["hint"]
    wrong = call(server, "shown", steps=0, seed=-1).json["problems"]
    assert {(problem["node"], problem["input"]) for problem in wrong} == {("sample", "steps"), ("sample", "seed")}
    assert server.ask("POST", f"{API}/workflows/shown/run?output=x", {}).code == "request.invalid"


def test_the_key_of_a_call_tells_it_from_calls_with_other_values(server: Server) -> None:
    publish(server, "keyed", number(1))

    def keyed(path: str, **inputs: Any) -> Any:
        path = f"{API}/workflows/{path}/run?wait=0"
        return server.ask("POST", path, {"inputs": inputs}, headers={"Idempotency-Key": "k"})

    first = keyed("keyed", value=1)
    assert keyed("keyed@1", value=1).json["id"] == first.json["id"]
    assert keyed("keyed", value=2).code == "key.reused"
    publish(server, "keyed", number(2))
    assert keyed("keyed", value=1).code == "key.reused"


def form(fields: dict[str, tuple[str | None, bytes]]) -> tuple[bytes, dict[str, str]]:
    """A form and its header; a field with a file name is a file."""
    parts = [
        b'--x\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
        % (name.encode(), b"" if file is None else b'; filename="%s"' % file.encode(), data)
        for name, (file, data) in fields.items()
    ]
    return b"".join(parts) + b"--x--\r\n", {"Content-Type": "multipart/form-data; boundary=x"}


def test_a_form_sets_texts_numbers_and_options(server: Server) -> None:
    publish(server, "formed", shipped("txt2img"))
    fields = {"prompt": (None, "ein Käse".encode()), "steps": (None, b"3"), "options": (None, b'{"priority": 4}')}
    body, headers = form(fields)
    path = f"{API}/workflows/formed/run?wait=0"
    assert server.ask("POST", path, body, headers=headers).code == "auth.missing"  # any page could send a form
    answer = server.ask("POST", path, body, headers=headers, token=server.token)
    assert (answer.status, answer.json["priority"]) == (202, 4)
    document = server.get(f"{API}/jobs/{answer.json['id']}/document", token=server.token).json
    assert document["nodes"]["positive"]["inputs"]["text"] == "ein Käse"
    assert document["nodes"]["sample"]["inputs"]["steps"] == 3
    for wrong in ({"stps": (None, b"3")}, {"steps": (None, b"many")}, {"options": (None, b"{")}):
        body, headers = form(wrong)
        answer = server.ask("POST", path, body, headers=headers, token=server.token)
        assert answer.status in (400, 422), answer.body


def test_files_of_a_form_that_made_no_job_are_not_kept(server: Server) -> None:
    publish(server, "filed", shipped("img2img"))
    uploads = server.home.uploads / "local" / "calls"
    body, headers = form({"drawing": ("a.png", b"no picture"), "steps": (None, b"2")})
    answer = server.ask("POST", f"{API}/workflows/filed/run?wait=0", body, headers=headers, token=server.token)
    assert answer.status in (415, 422)
    body, headers = form({"drawing": ("a.png", (shipped_picture())), "steps": (None, b"-2")})
    answer = server.ask("POST", f"{API}/workflows/filed/run?wait=0", body, headers=headers, token=server.token)
    assert answer.code == "document.invalid"
    assert list(uploads.iterdir()) == []
    body, headers = form({"drawing": ("a.png", (shipped_picture())), "steps": (None, b"2")})
    headers["Idempotency-Key"] = "photo"
    asked = [
        server.ask("POST", f"{API}/workflows/filed/run?wait=0", body, headers=headers, token=server.token)
        for _ in range(3)
    ]
    assert len({answer.json["id"] for answer in asked}) == 1
    assert len(list(uploads.iterdir())) == 1


def shipped_picture() -> bytes:
    return (WORKFLOWS / "img2img.png").read_bytes()


def test_publishing_is_for_admins_and_calling_for_all_who_run(server: Server) -> None:
    token = server.make_token("caller", Role.RUN)
    assert publish(server, "mine", number(), token=token).code == "auth.role"
    assert publish(server, "theirs", number(), token=server.token).status == 201
    answer = server.ask("POST", f"{API}/workflows/theirs/run?wait=0", {}, token=token)
    assert (answer.status, answer.json["client"]) == (202, "caller")


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", ()),
        ("*/*", ()),
        ("application/json, image/png;q=0.5", ()),
        ("image/png", ("image/png",)),
        ("image/*;q=0.9, application/json;q=0.1", ("image/*",)),
        ("image/webp, image/png;q=0.5, */*;q=0.1", ("image/webp", "image/png", "*/*")),
        ("image/png;q=0", ()),
        ("image/png;q=x, ;;,", ()),
    ],
)
def test_a_picture_is_sent_to_those_who_want_one_most(accept: str, wanted: tuple[str, ...]) -> None:
    assert wanted_pictures(accept) == wanted


def test_a_picture_suits_by_its_kind() -> None:
    assert suits("image/png", ("image/webp", "image/*"))
    assert not suits("image/png", ("image/webp",))
    assert not suits("text/plain", ("*/*",))


PLACE = Workplace.at("/nonexistent")
SAMPLED = {
    "nodeflow": 1,
    "nodes": shipped("txt2img")["nodes"],
    "interface": {
        "inputs": {
            "seed": {"to": ["sample.seed"]},
            "steps": {"to": ["sample.steps"], "range": {"ge": 2, "le": 30}},
            "cfg": {"to": ["sample.cfg"]},
            "sampler": {"to": ["sample.sampler"]},
            "width": {"to": ["empty.width"]},
            "prompt": {"to": ["positive.text"]},
        },
        "outputs": {"picture": {"from": "decode.image"}},
    },
}
SCHEMA = interface_of(PLACE.load(json.dumps(SAMPLED).encode()).document, PLACE.registry).schema
VALUES = (
    st.integers(-10, 200)
    | st.sampled_from([2**53 - 1, 2**53, 2**53 + 2])
    | st.floats(-5, 130, allow_nan=False)
    | st.sampled_from([0, 2, 16, 64, 8.0, 2.0, True, None, [], [1], "euler", "eulr", ""])
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(list(SCHEMA["properties"])), VALUES, max_size=2))
def test_the_schema_takes_what_the_engine_takes(values: dict[str, Any]) -> None:
    """Texts for numbers apart, which the engine reads as well, for the shell and for forms."""
    texts = ("sampler", "prompt")
    values = read_json(
        json.dumps({name: it for name, it in values.items() if name in texts or not isinstance(it, str)})
    )
    taken = not PLACE.prepare(json.dumps(SAMPLED).encode(), values).resolution.errors
    assert Draft202012Validator(SCHEMA).is_valid(values) == taken, values
