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


def test_the_token_of_this_machine_goes_to_no_other(tmp_path: Path) -> None:
    (tmp_path / "server.token").write_text("nf_own\n")
    around = {"NODEFLOW_HOME": str(tmp_path)}
    for here in ("http://127.0.0.1:1", "http://localhost", "http://[::1]:8188"):
        assert find_address(here, environ=around).token == "nf_own"
    assert find_address("http://127.0.0.1.example", environ=around).token is None
    assert find_address("http://192.168.0.7:8188", environ=around).token is None


def test_a_token_that_was_given_comes_first(tmp_path: Path) -> None:
    (tmp_path / "server.token").write_text("nf_own\n")
    around = {"NODEFLOW_HOME": str(tmp_path), "NODEFLOW_TOKEN": "nf_around"}
    assert find_address(environ=around).token == "nf_around"
    given = find_address("http://a.example", "nf_given", environ=around)
    assert given.headers == {"Authorization": "Bearer nf_given"}
    assert "nf_given" not in repr(given)


def test_a_token_with_other_characters_never_gets_into_a_header() -> None:
    with pytest.raises(UsageError, match="characters that no token has"):
        find_address(token="nf_a\r\nHost: b", environ={})
