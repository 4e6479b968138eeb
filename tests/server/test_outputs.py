"""Files that jobs have written: in parts, small, in the trash, as inputs, and only for whose jobs wrote them."""

import hashlib
import io
import time

import pytest
from PIL import Image

from nodeflow.protocol.ids import new_id
from nodeflow.protocol.tokens import Role
from nodeflow.server.places import places_of
from nodeflow.storage.database import outputs
from nodeflow.storage.database.records import NewOutput
from tests.server.serving import API, served
from tests.server.test_files import picture


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with served(tmp_path_factory.mktemp("outputs")) as server:
        yield server


def written(server, name, content, media_type="image/png", client="local"):
    """The id of a file that a job wrote."""
    place = places_of(server.home, client).output / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    new = NewOutput(
        id=new_id(),
        name="picture",
        node="save",
        type="Image",
        path=name,
        media_type=media_type,
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )
    server.do(server.parts.store.write(lambda c: outputs.add(c, client, new_id(), [new], time.time())))
    return new.id


def test_a_picture_is_shown_with_the_digest_of_its_content_as_tag(server):
    id = written(server, "cats/a_00001.png", picture())
    answer = server.get(f"{API}/outputs/{id}")
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, picture(), "image/png")
    assert answer.headers["etag"] == f'"{hashlib.sha256(picture()).hexdigest()}"'
    assert answer.headers["content-disposition"] == "inline; filename*=UTF-8''a_00001.png"
    part = server.get(f"{API}/outputs/{id}", headers={"Range": "bytes=1-3", "If-Range": answer.headers["etag"]})
    assert (part.status, part.body) == (206, b"PNG")
    assert server.get(f"{API}/outputs/{id}", headers={"If-None-Match": answer.headers["etag"]}).status == 304
    head = server.ask("HEAD", f"{API}/outputs/{id}")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(picture())))


@pytest.mark.parametrize(
    ("name", "said", "sent"),
    [
        ("page.html", "text/html", "application/octet-stream"),
        ("page.svg", "image/svg+xml", "application/octet-stream"),
        ("page.js", "text/javascript", "application/octet-stream"),
        ("page.xml", "application/xml", "application/octet-stream"),
        ("page.pdf", "application/pdf", "application/octet-stream"),
        ("page.png", "image/png\r\nX-Evil: 1", "application/octet-stream"),
        ("words.txt", "text/plain", "text/plain; charset=utf-8"),
        ("scan.json", "application/json", "application/json"),
    ],
)
def test_what_a_browser_could_run_is_only_ever_saved(server, name, said, sent):
    id = written(server, name, b"<script>alert(1)</script>", said)
    answer = server.get(f"{API}/outputs/{id}")
    assert answer.headers["content-type"] == sent
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert "x-evil" not in answer.headers


def test_a_name_that_a_node_made_up_writes_no_header(server):
    id = written(server, 'a"\r\nX-Evil: 1;ü.png', picture())
    answer = server.get(f"{API}/outputs/{id}")
    assert "x-evil" not in answer.headers
    assert answer.headers["content-disposition"].isascii()


def test_a_file_goes_into_the_trash_and_comes_out_again(server):
    id = written(server, "kept.png", picture())
    assert server.ask("DELETE", f"{API}/outputs/{id}").status == 204
    gone = server.get(f"{API}/outputs/{id}")
    assert (gone.status, gone.code) == (410, "file.gone")
    assert id in [entry["id"] for entry in server.get(f"{API}/outputs?trashed=true").json["outputs"]]
    assert id not in [entry["id"] for entry in server.get(f"{API}/outputs").json["outputs"]]
    restored = server.ask("POST", f"{API}/outputs/{id}/restore")
    assert (restored.status, restored.json["trashed"]) == (200, False)
    assert server.get(f"{API}/outputs/{id}").status == 200
    assert server.ask("POST", f"{API}/outputs/{id}/restore").status == 200, "once more changes nothing"


def test_a_file_that_somebody_deleted_is_gone_not_unknown(server):
    id = written(server, "lost.png", picture())
    (server.home.output / "lost.png").unlink()
    assert server.get(f"{API}/outputs/{id}").code == "file.gone"
    assert server.get(f"{API}/outputs/{id}?thumbnail=64").code == "file.gone"
    assert server.ask("POST", f"{API}/outputs/{id}/input").code == "file.gone"
    for unknown in (new_id(), "x", "..", "%00", "a" * 500):
        assert server.get(f"{API}/outputs/{unknown}").code in ("output.unknown", "request.malformed", "route.unknown")


def test_a_link_out_of_the_output_folder_is_not_followed(server):
    id = written(server, "linked.png", picture())
    (server.home.output / "linked.png").unlink()
    (server.home.output / "linked.png").symlink_to(server.home.root / "server.token")
    assert server.get(f"{API}/outputs/{id}").code == "file.gone"
    id = written(server, "folder/inside.png", picture())
    (server.home.output / "folder" / "inside.png").unlink()
    (server.home.output / "folder").rmdir()
    (server.home.output / "folder").symlink_to(server.home.root)
    (server.home.root / "inside.png").write_bytes(picture())
    assert server.get(f"{API}/outputs/{id}").code == "file.gone"


def test_a_picture_becomes_an_input(server):
    id = written(server, "deep/er/made.png", picture())
    taken = server.ask("POST", f"{API}/outputs/{id}/input")
    assert (taken.status, taken.json["name"]) == (201, "made.png")
    assert server.get(f"{API}/files/made.png").body == picture()
    assert server.ask("POST", f"{API}/outputs/{id}/input").json["name"] == "made.png"
    other = written(server, "made.png", picture(colour="blue"))
    renamed = server.ask("POST", f"{API}/outputs/{other}/input").json["name"]
    assert renamed == f"made-{other[-6:]}.png"
    page = written(server, "page2.html", b"<p>", "text/html")
    assert server.ask("POST", f"{API}/outputs/{page}/input").code == "request.media-type"


def test_a_small_picture_is_made(server):
    id = written(server, "wide.png", picture(size=(400, 100)))
    with Image.open(io.BytesIO(server.get(f"{API}/outputs/{id}?thumbnail=256").body)) as small:
        assert (small.format, small.size) == ("WEBP", (256, 64))
    for wrong in ("0", "-1", "5000", "x", "1e3"):
        assert server.get(f"{API}/outputs/{id}?thumbnail={wrong}").code == "request.invalid"


def test_a_client_sees_only_what_its_own_jobs_wrote(tmp_path):
    with served(tmp_path) as server:
        ann, bob = server.make_token("ann", Role.RUN), server.make_token("bob", Role.RUN)
        id = written(server, "a.png", picture(), client="ann")
        assert (server.home.output / "ann" / "a.png").exists()
        assert server.get(f"{API}/outputs/{id}", token=ann).status == 200
        assert server.get(f"{API}/outputs/{id}", token=server.token).status == 200
        for method, path in [
            ("GET", ""),
            ("GET", "?thumbnail=64"),
            ("DELETE", ""),
            ("POST", "/restore"),
            ("POST", "/input"),
        ]:
            assert server.ask(method, f"{API}/outputs/{id}{path}", token=bob).code == "output.unknown"
        assert server.get(f"{API}/outputs", token=bob).json["outputs"] == []
        assert [entry["client"] for entry in server.get(f"{API}/outputs", token=ann).json["outputs"]] == ["ann"]


def test_a_list_comes_in_parts_the_latest_first(tmp_path):
    with served(tmp_path) as server:
        ids = [written(server, f"{number}.png", picture()) for number in range(5)]
        first = server.get(f"{API}/outputs?limit=3").json
        second = server.get(f"{API}/outputs?limit=3&after={first['next']}").json
    assert [entry["id"] for entry in first["outputs"] + second["outputs"]] == ids[::-1]
    assert second["next"] is None
