"""Which server is meant, and with which token."""

from pathlib import Path

import pytest

from nodeflow.client.address import DEFAULT_URL, find_address
from nodeflow.core.errors import UsageError


def test_a_server_on_this_machine_is_meant_where_none_is_named(tmp_path: Path) -> None:
    assert find_address(environ={"NODEFLOW_HOME": str(tmp_path)}).url == DEFAULT_URL
    assert find_address(environ={"NODEFLOW_HOME": str(tmp_path), "NODEFLOW_SERVER": "studio:9000/"}).url == (
        "http://studio:9000"
    )
    assert find_address("https://a.example/flow/", environ={}).url == "https://a.example/flow"


@pytest.mark.parametrize("url", ["ftp://a", "http://", "http://a/?b=1", "http://user:secret@a"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="no address of a server"):
        find_address(url, environ={})


def test_the_running_server_of_the_home_is_meant_where_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "server.url").write_text("http://127.0.0.1:9000\n")
    around = {"NODEFLOW_HOME": str(tmp_path)}
    found = find_address(environ=around)
    assert (found.url, found.source) == ("http://127.0.0.1:9000", f"from {tmp_path / 'server.url'}")
    named = find_address(environ={**around, "NODEFLOW_SERVER": "studio:9000"})
    assert (named.url, named.source) == ("http://studio:9000", "from $NODEFLOW_SERVER")
    asked = find_address("a.example", environ={**around, "NODEFLOW_SERVER": "studio:9000"})
    assert (asked.url, asked.source) == ("http://a.example", "as asked for")
    assert find_address(environ={"NODEFLOW_HOME": str(tmp_path / "none")}).source == "the usual address"


def test_a_file_without_an_address_is_named(tmp_path: Path) -> None:
    (tmp_path / "server.url").write_text("ftp://a\n")
    with pytest.raises(UsageError, match=r"server\.url\) is no address of a server"):
        find_address(environ={"NODEFLOW_HOME": str(tmp_path)})


def test_the_token_of_this_machine_goes_only_to_its_own_server(tmp_path: Path) -> None:
    (tmp_path / "server.token").write_text("nf_own\n")
    around = {"NODEFLOW_HOME": str(tmp_path)}
    assert find_address(environ=around).token is None  # no server says that it is there
    (tmp_path / "server.url").write_text("http://127.0.0.1:9000\n")
    assert find_address(environ=around).token == "nf_own"
    assert find_address("127.0.0.1:9000/", environ=around).token == "nf_own"
    others = ("http://127.0.0.1:8188", "http://[::1]:9000", "http://localhost:9000", "http://127.0.0.1:9000/a")
    for other in others:
        assert find_address(other, environ=around).token is None
        assert find_address(environ={**around, "NODEFLOW_SERVER": other}).token is None


@pytest.mark.parametrize("url", ["http://192.168.0.7:8188", "http://localhost:8188"])
def test_the_token_of_this_machine_stays_on_it_whatever_the_file_says(tmp_path: Path, url: str) -> None:
    (tmp_path / "server.token").write_text("nf_own\n")
    (tmp_path / "server.url").write_text(f"{url}\n")
    assert find_address(environ={"NODEFLOW_HOME": str(tmp_path)}).token is None


def test_a_token_that_was_given_comes_first(tmp_path: Path) -> None:
    (tmp_path / "server.token").write_text("nf_own\n")
    (tmp_path / "server.url").write_text("http://127.0.0.1:9000\n")
    around = {"NODEFLOW_HOME": str(tmp_path), "NODEFLOW_TOKEN": "nf_around"}
    assert find_address(environ=around).token == "nf_around"
    given = find_address("http://a.example", "nf_given", environ=around)
    assert given.headers == {"Authorization": "Bearer nf_given"}
    assert "nf_given" not in repr(given)


def test_a_token_with_other_characters_never_gets_into_a_header() -> None:
    with pytest.raises(UsageError, match="characters that no token has"):
        find_address(token="nf_a\r\nHost: b", environ={})
