"""The client for threads has what the client for asyncio has."""

import inspect
import subprocess
import sys

from nodeflow.client import AsyncClient, Client

SAME = {name for name in dir(AsyncClient) if not name.startswith("_")} - {"aclose"}


def test_every_call_of_one_is_a_call_of_the_other() -> None:
    assert {name for name in dir(Client) if not name.startswith("_")} - {"close"} == SAME


def test_both_take_the_same_arguments_and_say_what_they_do() -> None:
    for name in SAME - {"url"}:
        one, other = getattr(AsyncClient, name), getattr(Client, name)
        assert inspect.signature(one).parameters == inspect.signature(other).parameters, name
        assert one.__doc__, name
        assert other.__doc__, name


def test_the_client_needs_neither_torch_nor_the_server() -> None:
    code = (
        "import sys; from nodeflow.client import Client, AsyncClient; "
        "unwanted = {'torch', 'numpy', 'PIL', 'sqlalchemy', 'nodeflow.server', 'nodeflow.session', 'nodeflow.storage'};"
        "print(sorted(unwanted & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
