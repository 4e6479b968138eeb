"""Tokens from the shell, whether the server runs or not."""

from pathlib import Path

import pytest

from nodeflow.client import Client, Refused
from nodeflow.client.address import TOKEN_FILE
from nodeflow.protocol.tokens import Role
from nodeflow.server.installation import FILE
from tests.cli.conftest import Shell
from tests.cli.liveserver import LiveServer


def test_the_token_of_this_machine_is_where_the_client_looks() -> None:
    assert TOKEN_FILE == FILE


@pytest.mark.parametrize("running", [False, True])
def test_a_token_is_made_listed_and_revoked(
    running: bool, shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    where: tuple[str, ...] = ()
    if running:
        where = ("--server", request.getfixturevalue("server").url)
    else:
        monkeypatch.setenv("NODEFLOW_HOME", str(tmp_path / "home"))
    name = f"alice-{running}"
    made = shell("token", "create", name, "--role", "read", *where)
    assert made.code == 0, made
    token = made.out.strip()
    assert token.startswith("nf_")
    assert "shown this once" in made.err
    assert f"{name}  read" in " ".join(shell("token", "list", *where).out.split(" "))
    assert token not in shell("token", "list", "--json", *where).out
    again = shell("token", "create", name, *where)
    assert again.code == 2
    assert "choose another name" in again.err
    assert shell("token", "create", "local", *where).code == 2
    assert shell("token", "create", "a b", *where).code == 2
    assert shell("token", "revoke", name, *where).code == 0
    assert "revoked" in shell("token", "list", *where).out
    assert shell("token", "revoke", name, *where).code == 2
    replaced = shell("token", "rotate", name, "--json", *where).report
    assert (replaced["name"], replaced["role"], replaced["revoked"]) == (name, "read", None)
    assert replaced["token"] != token
    assert "revoked" not in shell("token", "list", *where).out.partition(name)[2].partition("\n")[0]
    assert "no token named 'nobody'" in shell("token", "rotate", "nobody", *where).err
    assert shell("token", "revoke", name, *where).code == 0


def test_a_token_lets_in_until_it_is_revoked(shell: Shell, server: LiveServer) -> None:
    token = shell("token", "create", "bob", "--server", server.url).out.strip()
    with Client(server.url, token) as client:
        assert (client.me().client, client.me().role) == ("bob", Role.RUN)
        with pytest.raises(Refused, match=r"auth\.role"):
            client.tokens()
        shell("token", "revoke", "bob", "--server", server.url)
        with pytest.raises(Refused, match=r"auth\.refused"):
            client.jobs()


def test_the_running_server_of_this_home_is_asked_where_none_is_named(shell: Shell, server: LiveServer) -> None:
    assert shell("token", "create", "carol").code == 0
    with Client(server.url) as client:
        assert "carol" in [token.name for token in client.tokens().tokens]
