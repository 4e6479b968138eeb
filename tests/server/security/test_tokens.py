"""Who is behind a request: tokens, roles, cookies, and nothing that a client merely says of itself."""

import base64
import socket
import sqlite3

import pytest

from nodeflow.core.errors import UsageError
from nodeflow.protocol.tokens import Role
from nodeflow.server.security.doors import Doors
from nodeflow.server.security.tokens import Tokens, digest_of, new_token
from nodeflow.server.settings import ServerSettings
from tests.server.documents_of_tests import number
from tests.server.serving import API, served


def cookie_of(answer):
    return answer.headers["set-cookie"].partition(";")[0]


def test_whoever_is_at_this_machine_needs_no_token_until_there_is_one(tmp_path):
    with served(tmp_path) as server:
        assert server.get(f"{API}/me").json == {"client": "local", "role": "admin", "login": False}
        server.make_token("ann", Role.RUN)
        assert server.get(f"{API}/me").json == {"client": "", "role": None, "login": True}
        assert server.get(f"{API}/jobs").code == "auth.missing"
        assert server.get(f"{API}/jobs", token=server.token).status == 200


def test_who_revokes_the_last_token_opens_no_door_by_that(tmp_path):
    with served(tmp_path) as server:
        server.make_token("ann", Role.RUN)
        assert server.ask("DELETE", f"{API}/tokens/ann", token=server.token).status == 204
        assert server.get(f"{API}/jobs").code == "auth.missing"


def test_a_server_that_asks_for_tokens_asks_at_this_machine_too(tmp_path):
    with served(tmp_path, ServerSettings(port=0, workers="cpu", require_token=True)) as server:
        assert (server.get(f"{API}/jobs").status, server.get(f"{API}/jobs").code) == (401, "auth.missing")
        assert server.get(f"{API}/jobs", token=server.token).status == 200


def test_nobody_gets_in_by_a_wrong_token(server):
    good = server.token
    for token in ("", "x", good[:-1], good + "x", good.upper(), f"{good} {good}", "nf_", "\xe9", "Basic x"):
        answer = server.get(f"{API}/jobs", token=token)
        assert (answer.status, answer.code) == (401, "auth.refused")
    assert server.get(f"{API}/jobs", headers={"Authorization": f"Basic {good}"}).code == "auth.refused"
    assert server.get(f"{API}/jobs", headers={"Authorization": f"bearer {good}"}).status == 200


def test_a_client_is_not_who_its_headers_say(tmp_path):
    with served(tmp_path) as server:
        ann = server.make_token("ann", Role.READ)
        names = ("X-User", "X-Forwarded-User", "X-Remote-User", "Remote-User", "Comfy-User", "X-Client")
        spoofed = dict.fromkeys(names, "local")
        assert server.get(f"{API}/me", token=ann, headers=spoofed).json["client"] == "ann"
        assert server.get(f"{API}/jobs", headers=spoofed).code == "auth.missing"
        assert server.get(f"{API}/jobs?token={server.token}").code == "auth.missing"


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"])
def test_what_came_through_a_proxy_did_not_come_from_this_machine(server, header):
    assert server.get(f"{API}/jobs", headers={header: "127.0.0.1"}).code == "auth.missing"


def test_a_proxy_that_says_nothing_is_known_by_its_old_language(server):
    ask = f"GET {API}/jobs HTTP/{{}}\r\nHost: 127.0.0.1:{server.port}\r\nConnection: close\r\n\r\n"
    assert b" 401 " in server.raw(ask.format("1.0").encode()).partition(b"\r\n")[0]
    assert b" 200 " in server.raw(ask.format("1.1").encode()).partition(b"\r\n")[0]


def test_roles_allow_what_they_name_and_nothing_above(tmp_path):
    with served(tmp_path) as server:
        read, run, admin = (server.make_token(role.value, role) for role in Role)
        asks = {
            Role.READ: [("GET", "/jobs"), ("GET", "/nodes"), ("GET", "/files"), ("GET", "/outputs")],
            Role.RUN: [("POST", "/jobs"), ("DELETE", "/files/x.txt"), ("POST", "/outputs/x/restore")],
            Role.ADMIN: [("GET", "/tokens"), ("POST", "/tokens"), ("POST", "/queue/pause"), ("GET", "/documents")],
        }
        for needed, requests in asks.items():
            for method, path in requests:
                for role, token in ((Role.READ, read), (Role.RUN, run), (Role.ADMIN, admin)):
                    answer = server.ask(method, API + path, {} if method == "POST" else None, token=token)
                    assert (answer.code == "auth.role") == (not role.covers(needed)), (method, path, role)


def test_a_token_is_made_shown_once_used_and_revoked(tmp_path):
    with served(tmp_path) as server:
        made = server.ask("POST", f"{API}/tokens", {"name": "ann", "role": "run"})
        token = made.json["token"]
        assert (made.status, token[:3], len(token)) == (201, "nf_", 46)
        assert server.get(f"{API}/me", token=token).json["client"] == "ann"
        listed = server.get(f"{API}/tokens", token=server.token)
        assert token not in listed.body.decode()
        assert listed.json["tokens"][0]["last_used"] is not None
        again = server.ask("POST", f"{API}/tokens", {"name": "ann"}, token=server.token)
        assert (again.status, again.code) == (409, "token.exists")
        assert server.ask("POST", f"{API}/tokens", {"name": "local"}, token=server.token).code == "token.exists"
        assert server.ask("DELETE", f"{API}/tokens/ann", token=server.token).status == 204
        assert server.get(f"{API}/me", token=token).json["client"] == ""
        assert server.get(f"{API}/jobs", token=token).code == "auth.refused"
        assert server.ask("DELETE", f"{API}/tokens/ann", token=server.token).code == "token.unknown"
        again = server.ask("POST", f"{API}/tokens", {"name": "ann"}, token=server.token)
        assert again.code == "token.exists", "the jobs of a client must never become another's"


@pytest.mark.parametrize("revoked", [False, True])
def test_a_replaced_token_is_worthless_at_once_and_its_client_sees_its_jobs_with_the_new_one(tmp_path, revoked):
    with served(tmp_path) as server:
        old = server.make_token("ann", Role.RUN)
        job = server.ask("POST", f"{API}/jobs", {"document": number()}, token=old).json["id"]
        head = f"GET {API}/jobs/{job}/events HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nConnection: close\r\n"
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as stream:
            stream.sendall(f"{head}Authorization: Bearer {old}\r\nAccept: text/event-stream\r\n\r\n".encode())
            assert b" 200 " in stream.recv(4096)
            if revoked:
                server.ask("DELETE", f"{API}/tokens/ann", token=server.token)
            made = server.ask("POST", f"{API}/tokens/ann/rotate", token=server.token)
            while stream.recv(4096):
                continue
        assert (made.status, made.json["name"], made.json["role"], made.json["revoked"]) == (200, "ann", "run", None)
        assert server.get(f"{API}/jobs", token=old).code == "auth.refused"
        assert server.get(f"{API}/jobs/{job}", token=made.json["token"]).json["client"] == "ann"
        assert server.ask("POST", f"{API}/tokens/local/rotate", token=server.token).code == "token.unknown"


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".x", "a b", "x" * 101, "a\r\nb", "ä", "-x", None, 3])
def test_a_name_of_a_token_is_one_that_a_folder_may_have(server, name):
    answer = server.ask("POST", f"{API}/tokens", {"name": name})
    assert (answer.status, answer.code) == (422, "request.invalid")


def test_no_token_is_kept_as_it_is(tmp_path):
    with served(tmp_path) as server:
        token = server.make_token("ann", Role.RUN)
        assert server.get(f"{API}/me", token=token).status == 200
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "server.token"]
    assert files
    assert [path for path in files if token.encode() in path.read_bytes()] == []
    with sqlite3.connect(tmp_path / "server.db") as database:
        ((kept,),) = database.execute("SELECT digest FROM tokens")
    database.close()
    assert kept == digest_of(token)


def test_a_browser_gets_a_cookie_that_no_script_reads_and_no_other_site_sends(tmp_path):
    with served(tmp_path) as server:
        token = server.make_token("ann", Role.RUN)
        answer = server.ask("POST", f"{API}/login", {"token": token})
        assert answer.json == {"client": "ann", "role": "run", "login": False}
        set_cookie = answer.headers["set-cookie"]
        assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= {part.strip() for part in set_cookie.split(";")}
        assert token not in set_cookie
        cookie = {"Cookie": cookie_of(answer)}
        assert server.get(f"{API}/me", headers=cookie).json["client"] == "ann"
        form = {**cookie, "Content-Type": "application/octet-stream"}
        assert server.ask("PUT", f"{API}/files/x.txt", b"x", headers=form).status == 201
        assert "Max-Age=0" in server.ask("POST", f"{API}/logout", headers=cookie).headers["set-cookie"]
        server.make_token("bob", Role.RUN)
        server.ask("DELETE", f"{API}/tokens/ann", token=server.token)
        assert server.get(f"{API}/me", headers=cookie).json["client"] == ""


def test_the_page_gives_whoever_is_at_this_machine_a_cookie(server):
    answer = server.get("/")
    assert server.get(f"{API}/me", headers={"Cookie": cookie_of(answer)}).json["client"] == "local"
    form = {"Cookie": cookie_of(answer), "Content-Type": "application/octet-stream"}
    assert server.ask("PUT", f"{API}/files/by-cookie.txt", b"x", headers=form).status == 201


def test_the_page_gives_no_cookie_to_whoever_has_to_log_in(tmp_path):
    with served(tmp_path, ServerSettings(port=0, workers="cpu", require_token=True)) as server:
        assert "set-cookie" not in server.get("/").headers
        assert server.ask("POST", f"{API}/login", {"token": "nf_wrong"}).code == "auth.refused"


def test_a_cookie_that_was_made_up_opens_nothing(server):
    tokens = server.parts.doors.tokens
    kept = base64.urlsafe_b64encode(digest_of(tokens.install)).rstrip(b"=").decode()
    for cookie in (kept, "", "x", "=", "local", "Ã", digest_of(tokens.install).hex(), tokens.install, "A" * 43):
        assert tokens.client_of_cookie(cookie) is None
        headers = {"Cookie": f"nodeflow={cookie}", "Content-Type": "application/octet-stream"}
        if cookie.isascii():
            assert server.ask("PUT", f"{API}/files/y.txt", b"x", headers=headers).code == "auth.missing"


def test_cookies_of_one_installation_are_worth_nothing_in_another():
    one, other = Tokens(new_token()), Tokens(new_token())
    client = one.client(one.install)
    assert one.client_of_cookie(one.cookie(client)) == client
    assert other.client_of_cookie(one.cookie(client)) is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "studio.example", ""])
def test_an_address_that_others_reach_needs_a_token_first(host):
    tokens = Tokens(new_token())
    with pytest.raises(UsageError, match="nodeflow token create"):
        Doors(ServerSettings(host=host), tokens).check()
    tokens._known["ann"] = (digest_of("x"), Role.RUN)
    Doors(ServerSettings(host=host), tokens).check()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.0.0.53"])
def test_an_address_of_this_machine_needs_none(host):
    Doors(ServerSettings(host=host), Tokens(new_token())).check()
