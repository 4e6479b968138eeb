"""What holds for every route there is, and for every place where one might be hoped for."""

import re
from pathlib import Path

import pytest

import nodeflow_nodes
from nodeflow.protocol.tokens import Role
from nodeflow.server.app import ROUTES
from nodeflow.server.settings import ServerSettings
from tests.server.serving import API, served

ALL = [(route.method, route.path, route.role) for route in ROUTES]
OPEN = {"/login", "/logout", "/me", "/version", "/openapi.json", "/healthz", "/readyz", "/", "/pages/{name}"}
"""What is answered without a token, below the API and beside it: nothing in there tells of jobs or files."""
TEXT = (
    "x-content-type-options",
    "content-security-policy",
    "referrer-policy",
    "cross-origin-resource-policy",
    "cross-origin-opener-policy",
)
PRIVATE = ("config.toml", "server.token", "server.db", "secrets/key", "packs/evil/__init__.py", ".nodeflow-names")


def concrete(path):
    return re.sub(r"\{[^}]+\}", "x", path)


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    """A server that asks everybody for a token."""
    with served(tmp_path_factory.mktemp("strict"), ServerSettings(port=0, workers="cpu", require_token=True)) as server:
        (server.home.root / "config.toml").write_text("# canary-config\n")
        (server.home.root / "secrets").mkdir()
        (server.home.root / "secrets" / "key").write_text("canary-secret")
        yield server


@pytest.mark.parametrize(("method", "path", "role"), ALL)
def test_no_route_but_the_open_ones_answers_without_a_token(strict, method, path, role):
    answer = strict.ask(method, concrete(path), {} if method in ("POST", "PUT", "PATCH") else None)
    if role is None:
        assert path.removeprefix(API) in OPEN
        assert answer.status != 401 or path.endswith("/login")
    else:
        assert answer.status == 401
        assert method == "HEAD" or answer.code == "auth.missing"


@pytest.mark.parametrize(("method", "path", "role"), ALL)
def test_every_answer_says_how_a_browser_is_to_take_it(strict, method, path, role):
    for token in (None, strict.token):
        answer = strict.ask(method, concrete(path), {} if method in ("POST", "PUT", "PATCH") else None, token=token)
        assert answer.status < 500 or path == "/readyz", answer
        for name in TEXT:
            assert name in answer.headers, name
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "unsafe-inline" not in answer.headers["content-security-policy"]
        assert "server" not in answer.headers
        assert not answer.headers.get("content-type", "").startswith(("image/svg", "text/html")) or path == "/"


@pytest.mark.parametrize(
    "path", ["/nothing", f"{API}/nothing", "/../etc/passwd", "//evil.example/x", "/%2e%2e/x", f"{API}//jobs"]
)
def test_what_is_not_there_says_so_and_leads_nowhere(strict, path):
    for method in ("GET", "POST", "DELETE", "TRACE", "PROPFIND", "CONNECT"):
        answer = strict.ask(method, path, token=strict.token)
        assert answer.status in (400, 404, 405, 415), (method, answer)
        assert "location" not in answer.headers
        assert "nosniff" in answer.headers["x-content-type-options"]


def test_settings_secrets_and_the_database_are_below_no_address(strict):
    places = (
        "",
        API,
        f"{API}/files",
        f"{API}/documents",
        f"{API}/models/checkpoints",
        "/static",
        "/pages",
        "/userdata",
    )
    for place in places:
        for name in PRIVATE:
            for dots in ("", "..%2f", "../", "../../"):
                answer = strict.get(f"{place}/{dots}{name}", token=strict.token)
                assert answer.status in (400, 404), (place, name, answer)
                assert b"canary" not in answer.body


def test_nothing_that_is_sent_changes_settings_or_packs(strict):
    """There is no installer, and no setting that a request could lower."""
    before = {path: path.read_bytes() for path in (strict.home.root / "config.toml", strict.home.root / "server.token")}
    for method, path, _ in ALL:
        for body in ({"name": "x", "role": "admin"}, {"require_token": False}, {"install": "http://127.0.0.1/x.git"}):
            if method in ("POST", "PUT", "PATCH"):
                strict.ask(method, concrete(path), body, token=strict.token)
    for name in PRIVATE:
        assert strict.put(name.replace("/", "%2f"), b"x").status in (201, 415, 422)
        assert strict.put(f"../../{name}", b"x").status in (404, 405, 422)
    assert {path: path.read_bytes() for path in before} == before
    assert not (strict.home.root / "packs").exists()
    assert not any(
        word in path for _, path, _ in ALL for word in ("install", "pack", "setting", "config", "eval", "url")
    )


def test_a_client_of_one_role_is_nobody_else(tmp_path):
    with served(tmp_path) as server:
        tokens = {role: server.make_token(role.value, role) for role in Role}
        for method, path, needed in ALL:
            for role, token in tokens.items():
                answer = server.ask(
                    method, concrete(path), {} if method in ("POST", "PUT", "PATCH") else None, token=token
                )
                if needed is not None and not role.covers(needed):
                    assert (answer.status, answer.code) == (403, "auth.role"), (method, path, role)
                else:
                    assert method == "HEAD" or answer.code not in ("auth.role", "auth.missing"), (method, path, role)


def test_no_node_fetches_or_runs_what_a_client_names():
    sources = [path.read_text() for path in Path(nodeflow_nodes.__file__).parent.rglob("*.py")]
    way = re.compile(r"^\s*(import|from) (urllib\.request|requests|httpx|aiohttp|socket|pickle|subprocess)\b", re.M)
    assert sources
    assert not [text for text in sources if way.search(text)]
