"""Clients that send too much, too slowly, too deep, or no HTTP at all: each gets an answer, and nobody else waits."""

import json
import socket
import time

import pytest

from nodeflow.protocol.tokens import Role
from nodeflow.server.security import connections
from nodeflow.server.settings import Limits, ServerSettings
from tests.server.serving import API, read_all, read_answer, served

HEAD = "Host: 127.0.0.1:{port}\r\nConnection: close\r\n"


@pytest.fixture(scope="module")
def hasty(tmp_path_factory):
    """A server that has little patience."""
    limits = Limits(header_seconds=0.3, body_seconds=0.4, connections=40, body=100_000, upload=100_000)
    with served(tmp_path_factory.mktemp("hasty"), ServerSettings(port=0, workers="cpu", limits=limits)) as server:
        yield server


def answer_of(data):
    """Status and code of a whole answer."""
    head, _, body = data.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)["code"]


def drip(connection, data, pause=0.05):
    """Sends a byte at a time, until the other side has had enough."""
    began = time.monotonic()
    try:
        for place in range(len(data)):
            connection.sendall(data[place : place + 1])
            time.sleep(pause)
            connection.setblocking(False)
            try:
                if found := connection.recv(65536):
                    connection.settimeout(5)
                    return found + read_all(connection), time.monotonic() - began
                return b"", time.monotonic() - began
            except BlockingIOError:
                pass
            finally:
                connection.settimeout(5)
    except (ConnectionResetError, BrokenPipeError):
        return b"", time.monotonic() - began
    raise AssertionError("the server waited for all of it")


def test_a_head_that_comes_byte_by_byte_is_not_waited_for(hasty):
    with hasty.connected() as connection:
        data, seconds = drip(connection, b"GET / HTTP/1.1\r\nX-Slow: " + b"a" * 1000)
    assert answer_of(data) == (408, "request.timeout")
    assert seconds < 2


def test_a_connection_that_says_nothing_is_closed(hasty):
    with hasty.connected() as connection:
        assert answer_of(read_all(connection)) == (408, "request.timeout")


def test_a_client_that_leaves_in_the_middle_of_a_form_is_no_fault(hasty):
    head = (
        f"POST {API}/files HTTP/1.1\r\nHost: 127.0.0.1:{hasty.port}\r\nAuthorization: Bearer {hasty.token}\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 5000\r\n\r\n--x\r\nContent-Dis"
    )
    with hasty.connected() as connection:
        connection.sendall(head.encode())
        time.sleep(0.1)
    time.sleep(0.1)
    assert hasty.ask("GET", "/healthz").status == 200
    assert hasty.faults == []


def test_a_second_head_is_not_waited_for_either(hasty):
    request = f"GET {API}/me HTTP/1.1\r\nHost: 127.0.0.1:{hasty.port}\r\n\r\n".encode()
    with hasty.connected() as connection:
        connection.sendall(request)
        assert b" 200 " in connection.recv(65536)
        time.sleep(0.5)
        connection.sendall(request)
        assert b" 200 " in connection.recv(65536), "an idle connection may stay"
        data, seconds = drip(connection, request[:-2] + b"X: " + b"a" * 1000)
    assert answer_of(data) == (408, "request.timeout")
    assert seconds < 2


@pytest.mark.parametrize("apart", [False, True])
def test_a_connection_may_be_idle_after_a_body(hasty, apart):
    body = b'{"document": {"nodeflow": 1, "nodes": {"t": {"type": "Text", "version": 1}}}}'
    head = f"POST {API}/jobs HTTP/1.1\r\nHost: 127.0.0.1:{hasty.port}\r\nContent-Type: application/json\r\n"
    head += f"Content-Length: {len(body)}\r\n\r\n"
    with hasty.connected() as connection:
        for _ in range(2):
            for piece in (head.encode(), body) if apart else (head.encode() + body,):
                connection.sendall(piece)
                time.sleep(0.1)
            assert b" 201 " in read_answer(connection)
            time.sleep(0.6)


@pytest.mark.parametrize("framing", ["Content-Length: 5000", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("POST {api}/jobs", "application/json"),
        ("PUT {api}/files/slow.txt", "application/octet-stream"),
        ("POST {api}/files", "multipart/form-data; boundary=x"),
    ],
)
def test_a_body_that_comes_byte_by_byte_is_not_waited_for(hasty, line, kind, framing):
    head = f"{line.format(api=API)} HTTP/1.1\r\n{HEAD.format(port=hasty.port)}Authorization: Bearer {hasty.token}\r\n"
    head += f"Content-Type: {kind}\r\n{framing}\r\n\r\n"
    body = b'--x\r\nContent-Disposition: form-data; name="a"; filename="slow.txt"\r\n\r\n' + b"x" * 100
    with hasty.connected() as connection:
        connection.sendall(head.encode() + (b"1000\r\n" if "chunked" in framing else b""))
        data, seconds = drip(connection, body)
    assert answer_of(data) == (408, "request.timeout")
    assert seconds < 3
    assert not (hasty.home.uploads / "local" / "slow.txt").exists()


def test_slow_clients_keep_nobody_else_out(hasty):
    slow = [hasty.connected() for _ in range(30)]
    try:
        for connection in slow:
            connection.sendall(b"GET / HTTP/1.1\r\nX: ")
        began = time.monotonic()
        assert hasty.get(f"{API}/me").status == 200
        assert time.monotonic() - began < 0.3
    finally:
        for connection in slow:
            connection.close()


def test_more_connections_than_there_may_be_are_turned_away_and_places_come_back(hasty):
    time.sleep(0.3)
    many = [hasty.connected() for _ in range(60)]
    try:
        many[-1].settimeout(5)
        assert answer_of(read_all(many[-1])) == (503, "server.busy")
    finally:
        for connection in many:
            connection.close()
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        try:
            if hasty.get(f"{API}/me").status == 200:
                break
        except OSError:
            pass
        time.sleep(0.02)
    assert hasty.get(f"{API}/me").status == 200


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", (400, "request.malformed")),
        (b"nonsense\r\n\r\n", (400, "request.malformed")),
        (b"GET / HTTP/9.9\r\n\r\n", (400, "request.malformed")),
        (b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n", (400, "request.malformed")),
        (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", (400, "request.malformed")),
        (b"GET / HTTP/1.1\r\nX: a\rb\r\n\r\n", (400, "request.malformed")),
        (b"GET / HTTP/1.1\r\nX: a\nY: b\r\n\r\n", None),
        (b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", (400, "request.malformed")),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", (400, "request.malformed")),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", (400, "request.malformed")),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", (400, "request.malformed")),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n", (400, "request.malformed")),
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n", (431, "request.headers")),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 20_000 + b"\r\n\r\n", (431, "request.headers")),
        (b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 300 + b"\r\n", (431, "request.headers")),
    ],
)
def test_what_is_no_http_gets_an_answer_and_no_traceback(server, data, expected):
    found = server.raw(data)
    if expected is None:  # a bare line feed ends a line, or nothing is read at all
        assert found.split()[1] in (b"400", b"403")
        return
    assert answer_of(found) == expected
    assert b"nosniff" in found
    assert b"Traceback" not in found


def test_a_head_without_end_is_cut_off(server):
    with server.connected() as connection:
        connection.settimeout(5)
        try:
            for _ in range(100):
                connection.sendall(b"X-Long: " + b"a" * 4000 + b"\r\n" if _ else b"GET / HTTP/1.1\r\n")
            found = read_all(connection)
        except (ConnectionResetError, BrokenPipeError):
            return
    assert answer_of(found)[0] in (400, 431)


def deep(levels, opening="[", closing="]"):
    return (opening * levels + closing * levels).encode()


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (deep(1_000_000), "request.too-large"),
        (b'{"a":' * 200_000 + b"1" + b"}" * 200_000, "request.too-large"),
        (b"[" * 2_000_000, "request.too-large"),
        (b'{"document":' + deep(65) + b"}", "request.too-large"),
        (b"[" + b"1," * 3_000_000 + b"1]", "request.too-large"),
        (b'{"document": {}, "document": {}}', "request.malformed"),
        (b'{"document": {"nodes": {"a": 1, "a": 2}}}', "request.malformed"),
        (b'{"document": NaN}', "request.malformed"),
        (b'{"document": 1e999}', "request.malformed"),
        (b'{"document": ' + b"9" * 5000 + b"}", "request.malformed"),
        (b'{"document": "\\ud800"}', "request.malformed"),
        (b"\xff\xfe{}", "request.malformed"),
        (b"", "request.malformed"),
        (b"{", "request.malformed"),
        (b"null", "request.invalid"),
        (b"{}", "request.invalid"),
        (b'{"document": []}', "request.invalid"),
        (b'{"document": {}, "surprise": 1}', "request.invalid"),
        (b'"' + b"\\u0041" * 1_000_000 + b'"', "request.invalid"),
    ],
)
def test_json_that_is_too_deep_too_much_or_two_things_at_once_is_refused_before_anything_is_built(server, body, code):
    began = time.monotonic()
    answer = server.ask("POST", f"{API}/jobs", body, headers=JSON)
    assert answer.code == code
    assert time.monotonic() - began < 2.0


def test_documents_of_too_many_nodes_are_refused(tmp_path):
    settings = ServerSettings(port=0, workers="cpu", limits=Limits(nodes=1000))
    with served(tmp_path, settings) as server:
        node = {"type": "Number", "version": 1, "inputs": {"value": 1}}
        document = {"nodeflow": 1, "nodes": {f"n{number}": node for number in range(1001)}}
        assert server.ask("PUT", f"{API}/documents/many", document).code == "request.too-large"
        answer = server.ask("POST", f"{API}/jobs", {"document": document})
        assert answer.code in ("request.too-large", "document.invalid")


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_bodies_over_the_limit_are_not_read(hasty, framing):
    for method, path, kind in [
        ("POST", f"{API}/jobs", "application/json"),
        ("PUT", f"{API}/documents/large", "application/json"),
        ("PUT", f"{API}/files/large.txt", "application/octet-stream"),
        ("POST", f"{API}/login", "application/json"),
    ]:
        head = f"{method} {path} HTTP/1.1\r\n{HEAD.format(port=hasty.port)}Authorization: Bearer {hasty.token}\r\n"
        head += f"Content-Type: {kind}\r\n"
        with hasty.connected() as connection:
            connection.settimeout(5)
            if framing == "length":
                connection.sendall(f"{head}Content-Length: 99999999999\r\n\r\n".encode() + b"[" * 1000)
            else:
                connection.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
                try:
                    for _ in range(40):
                        connection.sendall(b"4000\r\n" + b"[" * 0x4000 + b"\r\n")
                except (ConnectionResetError, BrokenPipeError):
                    pass
            found = read_answer(connection)
        assert answer_of(found) == (413, "request.too-large"), path


def test_names_of_any_length_are_answered(server):
    long = "a" * 7000
    for method, path in [
        ("GET", f"{API}/files/{long}"),
        ("GET", f"{API}/documents/{long}"),
        ("PATCH", f"{API}/documents/{long}"),
        ("GET", f"{API}/outputs/{long}"),
        ("GET", f"{API}/jobs/{long}"),
        ("GET", f"{API}/models/{long}/{long[:500]}/preview"),
        ("DELETE", f"{API}/tokens/{long}"),
        ("GET", f"{API}/nodes/{long}"),
    ]:
        answer = server.ask(method, path, {"name": long} if method == "PATCH" else None)
        assert 400 <= answer.status < 500, path
        assert len(answer.body) < 8000, path


@pytest.mark.parametrize("text", ["a\r\nSet-Cookie: x=y", "a%0d%0aSet-Cookie:%20x=y", "a\nb", "a\x00b", "a b"])
def test_no_name_writes_a_header(server, text):
    from urllib.parse import quote

    for path in (f"{API}/files/{quote(text, safe='%')}", f"{API}/documents/{quote(text, safe='%')}"):
        for answer in (
            server.get(path),
            server.ask("PUT", path, b"{}", token=server.token, headers={"Content-Type": "application/octet-stream"}),
        ):
            assert "set-cookie" not in answer.headers
            assert answer.status in (400, 401, 404, 413, 415, 422)


def test_many_requests_at_once_on_one_connection_are_answered_in_order(server):
    one = f"GET {API}/me HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode()
    last = one.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    assert server.raw(one * 99 + last).count(b"HTTP/1.1 200") == 100


def test_a_client_that_goes_away_in_the_middle_leaves_nothing(hasty):
    for size in (0, 1, 500):
        head = f"PUT {API}/files/gone.txt HTTP/1.1\r\n{HEAD.format(port=hasty.port)}"
        head += f"Authorization: Bearer {hasty.token}\r\nContent-Type: application/octet-stream\r\n"
        head += "Content-Length: 5000\r\n\r\n"
        with hasty.connected() as connection:
            connection.sendall(head.encode() + b"x" * size)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    assert hasty.get(f"{API}/me").status == 200, "what was sent before was taken up before"
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline and list(hasty.home.uploads.rglob(".nodeflow-*")):
        time.sleep(0.02)
    time.sleep(0.1)
    assert [path for path in hasty.home.uploads.rglob("*") if path.is_file()] == []


def test_a_reader_sends_nothing(tmp_path):
    with served(tmp_path) as server:
        token = server.make_token("eye", Role.READ)
        assert server.put("x.txt", b"x", token=token).code == "auth.role"


def test_a_client_that_asks_and_never_reads_is_let_go(tmp_path, monkeypatch):
    monkeypatch.setattr(connections, "_UNREAD_SECONDS", 1)
    with served(tmp_path) as server:
        server.put("big.txt", b"x" * 20_000_000)
        with server.connected() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.sendall(f"GET {API}/files/big.txt HTTP/1.1\r\n{HEAD.format(port=server.port)}\r\n".encode())
            time.sleep(2.5)
            assert len(read_all(connection)) < 10_000_000
