"""The plain page: whole, and without a line of script or style that a policy would have to allow."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import nodeflow.server
from tests.server.serving import Server, served

PAGES = Path(nodeflow.server.__file__).parent / "pages"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with served(tmp_path_factory.mktemp("page")) as server:
        yield server


def test_the_page_and_all_that_it_names_is_there(server: Server) -> None:
    page = server.get("/")
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    named = set(re.findall(r'(?:src|href)="(/pages/[^"]+)"', page.body.decode()))
    for script in PAGES.glob("*.js"):
        named |= {f"/pages/{name}" for name in re.findall(r'from "\./([^"]+)"', script.read_text())}
    assert len(named) > 5
    for path in named:
        answer = server.get(path)
        assert (answer.status, answer.headers["x-content-type-options"]) == (200, "nosniff"), path
        assert server.get(path, headers={"If-None-Match": answer.headers["etag"]}).status == 304
    assert {path.name for path in PAGES.iterdir()} - {"index.html"} == {Path(path).name for path in named}


def test_nothing_is_inline_and_nothing_is_markup_from_elsewhere(server: Server) -> None:
    page = server.get("/").body.decode()
    assert "default-src 'self'" in server.get("/").headers["content-security-policy"]
    assert re.findall(r"<script(?![^>]*\bsrc=)", page) == []
    assert re.findall(r"<style|\sstyle=|\son\w+=", page) == []
    for script in PAGES.glob("*.js"):
        assert re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", script.read_text()) == []


@pytest.mark.parametrize(
    "path", ["/pages/absent.js", "/pages/..%2fpage.py", "/pages/%2e%2e/app.py", "/pages/__init__.py"]
)
def test_there_is_nothing_else_beside_it(server: Server, path: str) -> None:
    assert server.get(path).code == "route.unknown"


def test_a_browser_at_this_machine_is_known_from_the_page_on(server: Server) -> None:
    cookie = server.get("/").headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    known = {"Cookie": cookie.partition(";")[0]}
    assert server.get("/api/v1/me", headers=known).json["client"] == "local"
