"""Files that clients send: whole or not at all, by their content, within their quota, and only theirs."""

import io
import json
from contextlib import ExitStack

import pytest
from PIL import Image

from nodeflow.protocol.tokens import Role
from nodeflow.server.settings import Limits, ServerSettings
from tests.server.serving import API, read_answer, served


def picture(format="PNG", size=(8, 6), colour="red", **options):
    stream = io.BytesIO()
    Image.new("RGB", size, colour).save(stream, format, **options)
    return stream.getvalue()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    limits = Limits(upload=200_000, quota=1_000_000)
    with served(tmp_path_factory.mktemp("files"), ServerSettings(port=0, workers="cpu", limits=limits)) as server:
        yield server


def form(*files, boundary="xyz"):
    """A form with files: name of the field, name of the file, content."""
    lines = []
    for field, name, content in files:
        lines.append(
            f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'.encode()
        )
        lines.append(content + b"\r\n")
    return b"".join([*lines, f"--{boundary}--\r\n".encode()])


def send_form(server, body, **options):
    headers = {"Content-Type": "multipart/form-data; boundary=xyz"}
    return server.ask("POST", f"{API}/files", body, token=server.token, headers=headers, **options)


def test_a_file_that_was_sent_is_listed_fetched_and_deleted_into_the_trash(server):
    sent = server.put("photos/cat.png", picture())
    assert (sent.status, sent.json["media_type"], sent.json["width"]) == (201, "image/png", 8)
    page = server.get(f"{API}/files").json
    assert "photos/cat.png" in [file["name"] for file in page["files"]]
    got = server.get(f"{API}/files/photos/cat.png")
    assert (got.status, got.body, got.headers["content-type"]) == (200, picture(), "image/png")
    assert server.ask("DELETE", f"{API}/files/photos/cat.png").status == 204
    assert server.get(f"{API}/files/photos/cat.png").code == "file.unknown"
    (kept,) = server.home.trash.rglob("cat.png")
    assert kept.read_bytes() == picture()


def test_the_trash_of_a_client_takes_no_more_room_than_its_files_may(tmp_path):
    limits = Limits(upload=1000, quota=5000)
    with served(tmp_path, ServerSettings(port=0, workers="cpu", limits=limits)) as small:
        for number in range(7):
            assert small.put(f"{number}.txt", f"{number}".encode() * 1000).status == 201
            assert small.ask("DELETE", f"{API}/files/{number}.txt").status == 204
        left = [file.name for file in (tmp_path / "trash" / "uploads" / "local").rglob("*.txt")]
    assert sorted(left) == ["2.txt", "3.txt", "4.txt", "5.txt", "6.txt"]


def test_the_same_file_may_be_sent_again_and_another_of_its_name_only_when_it_replaces(server):
    assert server.put("same.png", picture()).status == 201
    assert server.put("same.png", picture()).status == 201
    other = picture(colour="blue")
    assert server.put("same.png", other).code == "file.exists"
    assert server.get(f"{API}/files/same.png").body == picture()
    assert server.put("same.png", other, "?replace=true").status == 201
    assert server.get(f"{API}/files/same.png").body == other


def test_a_form_may_hold_several_files_and_names_them_without_their_folders(server):
    body = form(("a", "pictures/one.png", picture()), ("b", "../../two.txt", b"words"))
    answer = send_form(server, body)
    assert [file["name"] for file in answer.json["files"]] == ["one.png", "two.txt"]


def test_a_form_turns_pictures_upright_when_asked(server):
    exif = Image.Exif()
    exif[0x0112] = 6
    body = form(("image", "side.jpg", picture("JPEG", (16, 8), exif=exif)))
    headers = {"Content-Type": "multipart/form-data; boundary=xyz"}
    answer = server.ask("POST", f"{API}/files?upright=true", body, token=server.token, headers=headers)
    assert [(file["width"], file["height"]) for file in answer.json["files"]] == [(8, 16)]


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("page.html", b"<script>alert(1)</script>", "request.media-type"),
        ("drawing.svg", b"<svg onload='alert(1)'/>", "request.media-type"),
        ("drawing.png", b"<svg onload='alert(1)'/>", "request.media-type"),
        ("model.safetensors", b"\0\0\0\0\0\0\0\0{}", "request.media-type"),
        ("model.ckpt", b"\x80\x04", "request.media-type"),
        ("code.py", b"print()", "request.media-type"),
        ("words.txt", b"\xff\xfe\0", "request.media-type"),
        ("words.txt", b"zero \0 byte", "request.media-type"),
        ("words.png", b"words", "request.media-type"),
        ("empty.png", b"", "request.media-type"),
        ("cut.png", picture()[:40], "picture.refused"),
        (".hidden.png", picture(), "request.invalid"),
        ("dot./x.png", picture(), "request.invalid"),
        ("a/b/c/d/e/f/g/h/i.png", picture(), "request.invalid"),
        ("large.txt", b"x" * 200_001, "request.too-large"),
    ],
)
def test_what_is_not_taken_leaves_nothing_behind(server, name, content, code):
    before = sorted(server.home.uploads.rglob("*"))
    answer = server.put(name, content)
    assert answer.code == code
    assert sorted(path for path in server.home.uploads.rglob("*") if path.is_file()) == [
        path for path in before if path.is_file()
    ]


def test_texts_and_latents_are_only_ever_saved(server):
    for name, content, kind in [
        ("rows.csv", b"a,b\n", "text/csv; charset=utf-8"),
        ("data.json", b"{}", "application/json"),
        ("words.txt", "wörter <script>".encode(), "text/plain; charset=utf-8"),
        ("noise.latent", b"\x02\0\0\0\0\0\0\0{}", "application/octet-stream"),
    ]:
        assert server.put(name, content).status == 201
        got = server.get(f"{API}/files/{name}")
        assert got.headers["content-type"] == kind
        assert got.headers["content-disposition"].startswith("attachment")
        assert got.headers["x-content-type-options"] == "nosniff"


def test_a_quota_holds_for_all_files_of_a_client_together(tmp_path):
    limits = Limits(upload=1000, quota=2500)
    with served(tmp_path, ServerSettings(port=0, workers="cpu", limits=limits)) as server:
        answers = [server.put(f"{number}.txt", b"x" * 900) for number in range(4)]
    assert [answer.status for answer in answers] == [201, 201, 413, 413]
    assert "2,500" in answers[2].json["message"]


def test_files_that_come_at_once_share_one_quota(tmp_path):
    limits = Limits(upload=1000, quota=2500)
    with served(tmp_path, ServerSettings(port=0, workers="cpu", limits=limits)) as server, ExitStack() as stack:
        coming = [stack.enter_context(server.connected()) for _ in range(6)]
        for number, connection in enumerate(coming):
            head = f"PUT {API}/files/{number}.txt HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nContent-Length: 900\r\n"
            head += f"Authorization: Bearer {server.token}\r\nContent-Type: application/octet-stream\r\n\r\n"
            connection.sendall(head.encode() + b"x" * 100)
        assert server.get(f"{API}/files").json["bytes"] == 0, "all of them have begun, and none is there"
        for connection in coming:
            connection.sendall(b"y" * 800)
        statuses = sorted(read_answer(connection).split()[1] for connection in coming)
        assert statuses == [b"201", b"201", b"413", b"413", b"413", b"413"]
        assert server.get(f"{API}/files").json["bytes"] == 1800


def test_a_client_sees_only_its_own_files(tmp_path):
    with served(tmp_path) as server:
        ann, bob = server.make_token("ann", Role.RUN), server.make_token("bob", Role.RUN)
        assert server.put("mine.png", picture(), token=ann).status == 201
        assert server.get(f"{API}/files/mine.png", token=ann).status == 200
        assert server.get(f"{API}/files/mine.png", token=bob).code == "file.unknown"
        assert server.get(f"{API}/files", token=bob).json["files"] == []
        assert server.ask("DELETE", f"{API}/files/mine.png", token=bob).code == "file.unknown"


def test_files_of_the_shared_folder_are_read_by_all_and_deleted_by_none(tmp_path):
    (tmp_path / "input").mkdir()
    (tmp_path / "input" / "common.png").write_bytes(picture())
    with served(tmp_path) as server:
        ann = server.make_token("ann", Role.RUN)
        assert [file["name"] for file in server.get(f"{API}/files?shared=true", token=ann).json["files"]] == [
            "common.png"
        ]
        assert server.get(f"{API}/files", token=ann).json["files"] == []
        assert server.get(f"{API}/files/common.png", token=ann).body == picture()
        assert server.ask("DELETE", f"{API}/files/common.png", token=ann).code == "file.unknown"
        own = picture(colour="green")
        assert server.put("common.png", own, token=ann).status == 201
        assert server.get(f"{API}/files/common.png", token=ann).body == own
        assert server.get(f"{API}/files/common.png", token=server.token).body == picture()


def test_a_file_comes_in_parts_and_a_tag_says_whether_it_is_the_same(server):
    server.put("long.txt", bytes(range(48, 58)) * 10)
    path = f"{API}/files/long.txt"
    whole = server.get(path)
    tag = whole.headers["etag"]
    part = server.get(path, headers={"Range": "bytes=5-9"})
    assert (part.status, part.body, part.headers["content-range"]) == (206, b"56789", "bytes 5-9/100")
    assert server.get(path, headers={"Range": "bytes=-3"}).body == b"789"
    assert server.get(path, headers={"Range": "bytes=97-"}).body == b"789"
    assert server.get(path, headers={"Range": "bytes=97-1000"}).headers["content-range"] == "bytes 97-99/100"
    for useless in ("bytes=5-2", "bytes=-", "items=1-2", "bytes=1-2,4-5", "bytes=x"):
        assert server.get(path, headers={"Range": useless}).status == 200
    beyond = server.get(path, headers={"Range": "bytes=100-"})
    assert (beyond.status, beyond.code) == (416, "range.unsatisfiable")
    assert server.get(path, headers={"Range": "bytes=0-0", "If-Range": tag}).status == 206
    assert server.get(path, headers={"Range": "bytes=0-0", "If-Range": '"older"'}).status == 200
    assert server.get(path, headers={"If-None-Match": tag}).status == 304
    head = server.ask("HEAD", path)
    assert (head.status, head.headers["content-length"], head.body) == (200, "100", b"")


def test_thumbnails_are_made_once(server):
    server.put("wide.png", picture(size=(300, 100)))
    small = server.get(f"{API}/files/wide.png?thumbnail=60")
    with Image.open(io.BytesIO(small.body)) as shown:
        assert (shown.format, shown.size) == ("WEBP", (64, 21))
    (kept,) = [path for path in server.home.thumbnails.rglob("*.webp") if path.read_bytes() == small.body]
    assert (
        server.get(f"{API}/files/wide.png?thumbnail=64", headers={"If-None-Match": small.headers["etag"]}).status == 304
    )
    assert kept.exists()
    server.put("words2.txt", b"words")
    assert server.get(f"{API}/files/words2.txt?thumbnail=64").code == "picture.refused"


def test_a_list_comes_in_parts(tmp_path):
    with served(tmp_path) as server:
        names = [f"{number:02}.txt" for number in range(7)]
        for name in names:
            server.put(name, b"x")
        found, after = [], ""
        while after is not None:
            page = server.get(f"{API}/files?limit=3&after={after}").json
            found += [file["name"] for file in page["files"]]
            after = page["next"]
        assert (found, page["total"], page["bytes"]) == (names, 7, 7)


NAMED = b'--xyz\r\nContent-Disposition: form-data; name="a"; filename="a.txt"\r\n'


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "request.malformed"),
        (b"no form", "request.malformed"),
        (b"--xyz--\r\n", "request.invalid"),
        (b"--xyz\r\n\r\nno name\r\n--xyz--\r\n", "request.malformed"),
        (b'--xyz\r\nContent-Disposition: form-data; name="a"\r\n\r\nno file\r\n--xyz--\r\n', "request.invalid"),
        (b'--xyz\r\nContent-Disposition: form-data; name="a"; filename="a.txt"\r\n\r\ncut of', "request.malformed"),
        (NAMED + b"A: b\r\n" * 50 + b"\r\nwords\r\n--xyz--\r\n", "request.malformed"),
        (NAMED + b"A: " + b"b" * 5000 + b"\r\n\r\nwords\r\n--xyz--\r\n", "request.malformed"),
        (b"--xyz\r\nContent-Type: multipart/mixed; boundary=q\r\n\r\n--q--\r\n--xyz--\r\n", "request.malformed"),
        (b"x" * 300_000, "request.malformed"),
    ],
)
def test_forms_that_are_none_are_refused(server, body, code):
    assert send_form(server, body).code == code


def test_a_form_of_many_parts_is_refused(server):
    body = form(*((f"f{number}", f"{number}.txt", b"x") for number in range(100)))
    assert send_form(server, body).code == "request.too-large"


def test_a_disk_that_takes_no_file_is_told(tmp_path):
    with served(tmp_path) as server:
        (tmp_path / "uploads").write_text("a file where the folder should be")
        answer = server.put("a.txt", b"words")
        assert (answer.status, answer.code) == (507, "server.storage")


def test_every_file_that_a_thread_of_clients_sends_at_once_under_one_name_is_whole(server):
    from concurrent.futures import ThreadPoolExecutor

    contents = [json.dumps({"from": number} | {"x": "y" * 20_000}).encode() for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda content: server.put("race.json", content), contents))
    assert sorted(answer.status for answer in answers) == [201] + [409] * 7
    assert server.get(f"{API}/files/race.json").body in contents
