"""Documents as the editor saves them: byte for byte, with versions, and never over one that was not seen."""

import io
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

from nodeflow.protocol.tokens import Role
from tests.server.serving import API, served
from tests.server.test_files import picture

ODD = (
    b'{ "nodeflow": 1,\n\t"nodes": {"n": {"type": "Number", "version": 1, "inputs": {"value": 1.50}}}, '
    b'"ui": {"\xc3\xbc": []} }\n'
)
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with served(tmp_path_factory.mktemp("documents")) as server:
        yield server


def document(value):
    return json.dumps(
        {"nodeflow": 1, "nodes": {"n": {"type": "Number", "version": 1, "inputs": {"value": value}}}}
    ).encode()


def save(server, name, body, query="", **headers):
    return server.ask("PUT", f"{API}/documents/{name}{query}", body, headers=JSON | headers)


def test_a_document_comes_back_byte_for_byte(server):
    saved = save(server, "odd", ODD)
    assert (saved.status, saved.json["version"], saved.headers["etag"]) == (201, 1, '"1"')
    got = server.get(f"{API}/documents/odd")
    assert (got.body, got.headers["etag"], got.headers["content-type"]) == (ODD, '"1"', "application/json")
    assert server.get(f"{API}/documents/odd", headers={"If-None-Match": '"1"'}).status == 304


def test_every_version_is_kept(server):
    save(server, "many", document(1))
    save(server, "many", document(2), "?note=brighter", **{"If-Match": '"1"'})
    again = save(server, "many", document(2), **{"If-Match": '"2"'})
    assert (again.status, again.json["version"]) == (200, 2), "the very same is no new version"
    versions = server.get(f"{API}/documents/many/versions").json["versions"]
    assert [(one["version"], one["note"], one["client"]) for one in versions] == [
        (2, "brighter", "local"),
        (1, "", "local"),
    ]
    assert server.get(f"{API}/documents/many?version=1").body == document(1)
    assert server.get(f"{API}/documents/many?version=9").code == "document.unknown"


def test_a_save_over_another_one_is_refused_with_both_sides(server):
    save(server, "two-tabs", document(1))
    save(server, "two-tabs", document(2), "?version=1")
    late = save(server, "two-tabs", document(3), **{"If-Match": '"1"'})
    assert (late.status, late.code) == (409, "document.stale")
    detail = late.json["detail"]
    assert detail["yours"]["version"] == 1
    assert detail["theirs"]["version"] == 2
    assert detail["theirs"]["document"] == json.loads(document(2))
    assert detail["base"]["document"] == json.loads(document(1))
    assert server.get(f"{API}/documents/two-tabs").body == document(2)
    assert save(server, "two-tabs", document(3), "?version=2").json["version"] == 3


def test_a_save_that_does_not_say_what_it_was_made_from_makes_only_new_documents(server):
    save(server, "blind", document(1))
    assert save(server, "blind", document(2)).code == "document.stale"
    assert save(server, "blind", document(2), "?version=0").code == "document.stale"
    assert save(server, "blind", document(2), "?version=7").json["detail"]["base"] is None
    assert save(server, "blind", document(2), **{"If-Match": "*"}).json["version"] == 2
    assert save(server, "never", document(1), "?version=3").json["detail"]["theirs"] is None
    for wrong in ("2", "x", '"x"', '"1", "2"'):
        assert save(server, "blind", document(3), **{"If-Match": wrong}).code == "request.invalid"
    assert save(server, "blind", document(3), "?version=1", **{"If-Match": '"2"'}).code == "request.invalid"


def test_of_many_saves_from_one_version_exactly_one_is_kept(server):
    save(server, "race", document(0))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda value: save(server, "race", document(value), "?version=1"), range(1, 17)))
    assert sorted(answer.status for answer in answers) == [200] + [409] * 15
    assert len(server.get(f"{API}/documents/race/versions").json["versions"]) == 2


def test_a_document_that_cannot_run_yet_is_kept_and_what_is_no_document_is_not(server):
    unfinished = (
        b'{"nodeflow": 1, "nodes": {"n": {"type": "NoSuchNode", "version": 1, "inputs": {"x": {"link": "q.y"}}}}}'
    )
    assert save(server, "unfinished", unfinished).status == 201
    for body, code in [
        (b"", "request.malformed"),
        (b"[]", "document.invalid"),
        (b'{"nodeflow": 1, "nodeflow": 1}', "request.malformed"),
        (b"[" * 1000, "request.too-large"),
    ]:
        assert save(server, "nothing", body).code == code, body
    assert server.get(f"{API}/documents/nothing").code == "document.unknown"


@pytest.mark.parametrize("name", [".x", "-x", "a%2Fb", "a%20b", "x" * 101, "a%00", "%C3%BC", "a%0d%0ab"])
def test_a_name_is_one_that_a_file_may_have(server, name):
    assert save(server, name, document(1)).code == "request.invalid"


def test_a_document_is_renamed(server):
    save(server, "before", document(1))
    save(server, "taken", document(2))
    rename = f"{API}/documents/before"
    assert server.ask("PATCH", rename, {"name": "taken"}).code == "document.exists"
    assert server.ask("PATCH", rename, {"name": "../x"}).code == "request.invalid"
    assert server.ask("PATCH", rename, {"name": "after"}).json["name"] == "after"
    assert server.get(rename).code == "document.unknown"
    assert server.ask("PATCH", rename, {"name": "x"}).code == "document.unknown"
    assert server.get(f"{API}/documents/after").body == document(1)


def test_a_document_goes_into_the_trash_and_comes_out_again(server):
    save(server, "old", document(1))
    trashed = server.ask("DELETE", f"{API}/documents/old").json
    assert server.get(f"{API}/documents/old").code == "document.unknown"
    assert server.ask("DELETE", f"{API}/documents/old").code == "document.unknown"
    trash = server.get(f"{API}/documents?trashed=true").json
    assert trashed["id"] in [one["id"] for one in trash["documents"]]
    assert trash["total"] == len(trash["documents"])
    restore = f"{API}/trash/documents/{trashed['id']}/restore"
    save(server, "old", document(2))
    assert server.ask("POST", restore).code == "document.exists"
    server.ask("PATCH", f"{API}/documents/old", {"name": "newer"})
    assert server.ask("POST", restore).json["name"] == "old"
    assert server.ask("POST", restore).code == "document.unknown"


def test_a_document_has_a_small_picture(server):
    save(server, "shown", document(1))
    path = f"{API}/documents/shown/thumbnail"
    assert server.get(path).code == "document.unknown"
    send = {"token": server.token, "headers": {"Content-Type": "application/octet-stream"}}
    assert server.ask("PUT", path, picture(size=(800, 400)), **send).status == 204
    with Image.open(io.BytesIO(server.get(path).body)) as small:
        assert (small.format, small.size) == ("WEBP", (256, 128))
    assert server.ask("PUT", path, b"<svg/>", **send).code == "picture.refused"
    assert server.ask("PUT", f"{API}/documents/none/thumbnail", picture(), **send).code == "document.unknown"


def test_a_list_comes_in_parts(tmp_path):
    with served(tmp_path) as server:
        for name in "edcba":
            save(server, name, document(name))
        first = server.get(f"{API}/documents?limit=3").json
        second = server.get(f"{API}/documents?limit=3&after={first['next']}").json
        assert "".join(one["name"] for one in first["documents"] + second["documents"]) == "abcde"
        assert (first["total"], second["next"]) == (5, None)
        run = server.make_token("ann", Role.RUN)
        assert server.get(f"{API}/documents", token=run).code == "auth.role"
