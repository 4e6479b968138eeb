"""What a hostile page in the user's browser can send: forms, fetches, sockets, names that point here by a trick."""

import itertools

import pytest

from nodeflow.server.settings import ServerSettings
from tests.server.serving import API, served

PAUSE = f"{API}/queue/pause"
FOREIGN = (
    "http://evil.example",
    "https://evil.example:8188",
    "null",
    "file://",
    "http://localhost",
    "http://localhost:1",
    "http://127.0.0.1.evil.example:{port}",
    "http://evil.example@127.0.0.1:{port}",
    "http://127.0.0.1:{port}.evil.example",
    "http://127.0.0.1:{port}/",
    "http://127.0.0.1:{port} http://evil.example",
    "HTTP://127.0.0.1:{port}",
    "chrome-extension://abcdef",
    "",
)
HOSTS = (
    "evil.example",
    "evil.example:{port}",
    "localhost.evil.example:{port}",
    "127.0.0.1.evil.example:{port}",
    "127.0.0.1:1",
    "localhost",
    "127.0.0.1",
    "127.1:{port}",
    "0x7f.1:{port}",
    "2130706433:{port}",
    "0.0.0.0:{port}",
    "[::]:{port}",
    "[::ffff:127.0.0.1]:{port}",
    "localhost.:{port}",
    "localhost:{port}@evil.example",
    "evil.example#localhost:{port}",
    "user@localhost:{port}",
    "localhost:0{port}",
    "",
)


def upgrade(server, origin, host=None):
    """The first line of what a WebSocket handshake from a page is answered."""
    lines = [
        f"GET {API}/ws HTTP/1.1",
        f"Host: {host or f'127.0.0.1:{server.port}'}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        *([f"Origin: {origin}"] if origin is not None else []),
    ]
    with server.connected() as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        return connection.recv(4096).decode("latin-1")


@pytest.mark.parametrize("origin", FOREIGN)
def test_a_foreign_page_changes_nothing_and_reads_nothing(server, origin):
    headers = {"Origin": origin.format(port=server.port)}
    for method, body in (("POST", {}), ("GET", None), ("DELETE", None), ("PUT", {}), ("OPTIONS", None)):
        answer = server.ask(method, PAUSE, body, headers=headers)
        assert (answer.status, answer.code) == (403, "origin.refused")
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("origin", FOREIGN)
def test_a_foreign_page_opens_no_socket(server, origin):
    assert upgrade(server, origin.format(port=server.port)).startswith("HTTP/1.1 403")


def test_our_own_page_and_programs_open_a_socket(server):
    for origin in (f"http://127.0.0.1:{server.port}", None):
        assert upgrade(server, origin).startswith("HTTP/1.1 101")


def test_two_origins_are_none(server):
    own = f"Origin: http://127.0.0.1:{server.port}\r\n"
    head = f"GET {API}/me HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nConnection: close\r\n"
    assert b" 200 " in server.raw(f"{head}{own}\r\n".encode()).partition(b"\r\n")[0]
    assert b" 403 " in server.raw(f"{head}{own}{own}\r\n".encode()).partition(b"\r\n")[0]


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_page_without_an_origin_is_known_by_what_its_browser_says(server, site):
    for mode in ("no-cors", "cors", "websocket", ""):
        answer = server.get(f"{API}/jobs", headers={"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode})
        assert answer.code == "origin.refused"
    headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate"}
    assert server.ask("POST", PAUSE, headers=headers).code == "origin.refused"


def test_a_link_from_another_site_is_followed(server):
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert server.get(f"{API}/version", headers=headers).code != "origin.refused"


SIMPLE = [
    "text/plain",
    "application/x-www-form-urlencoded",
    "text/plain; charset=application/json",
    "application/json-evil",
    "application/jsonx, application/json",
    "multipart/mixed",
    "text/json",
    "",
]


@pytest.mark.parametrize("kind", SIMPLE)
def test_a_body_that_a_form_can_send_is_not_taken_for_json(server, kind):
    for method, path in itertools.product(("POST", "PUT", "PATCH", "DELETE"), (f"{API}/jobs", PAUSE, f"{API}/tokens")):
        answer = server.ask(method, path, b'{"document": {}}', headers={"Content-Type": kind})
        assert (answer.status, answer.code) == (415, "request.media-type")


def test_a_form_without_a_body_is_known_by_its_kind(server):
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": "0"}
    assert server.ask("POST", PAUSE, headers=headers).code == "request.media-type"


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", "application/octet-stream"])
def test_forms_and_streams_need_a_token_even_at_home(server, kind):
    for method, path in (("POST", f"{API}/files"), ("PUT", f"{API}/files/x.txt"), ("POST", f"{API}/jobs")):
        answer = server.ask(method, path, b"--x--", headers={"Content-Type": kind})
        assert (answer.status, answer.code) == (401, "auth.missing")


def test_compressed_bodies_are_not_taken(server):
    for coding in ("gzip", "deflate", "br", "identity"):
        answer = server.ask("POST", f"{API}/jobs", {}, headers={"Content-Encoding": coding})
        assert answer.code == "request.media-type"


@pytest.mark.parametrize("host", HOSTS)
def test_a_name_that_points_here_by_a_trick_is_refused(server, host):
    given = host.format(port=server.port)
    for path in ("/", f"{API}/jobs", "/healthz", f"{API}/openapi.json", "/nothing"):
        answer = server.get(path, headers={"Host": given, "Origin": f"http://{given}"})
        assert (answer.status, answer.code) == (403, "host.refused")
    assert upgrade(server, None, given).startswith("HTTP/1.1 403") or not given


def test_the_names_of_this_server_are_taken(server):
    for name in ("127.0.0.1", "localhost", "LOCALHOST", "[::1]"):
        assert server.get(f"{API}/me", headers={"Host": f"{name}:{server.port}"}).status == 200


def test_two_hosts_are_none(server):
    head = f"GET {API}/me HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    assert b" 400 " in server.raw(head.encode()).partition(b"\r\n")[0]


def test_a_whole_address_in_the_first_line_does_not_replace_the_host(server):
    head = f"GET http://evil.example{API}/me HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    assert b" 403 " in server.raw(head.encode()).partition(b"\r\n")[0]


def test_listed_names_and_origins_are_taken_and_no_others(tmp_path):
    settings = ServerSettings(
        port=0, workers="cpu", names=("studio.example:8443", "plain.example"), origins=("https://app.example",)
    )
    with served(tmp_path, settings) as server:
        token = server.token
        for host in ("studio.example:8443", "plain.example", f"plain.example:{server.port}", "STUDIO.example:8443"):
            assert server.get(f"{API}/jobs", headers={"Host": host}, token=token).status == 200
            assert server.get(f"{API}/jobs", headers={"Host": host}).code == "auth.missing"
        for host in ("studio.example", f"studio.example:{server.port}", "plain.example:1"):
            assert server.get(f"{API}/jobs", headers={"Host": host}, token=token).code == "host.refused"
        answer = server.get(f"{API}/me", headers={"Origin": "https://app.example"})
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, "https://app.example")
        asking = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
        assert server.ask("OPTIONS", f"{API}/jobs", headers=asking).headers["access-control-allow-methods"]
        assert server.get(f"{API}/me", headers={"Origin": "https://app.example.evil"}).code == "origin.refused"
