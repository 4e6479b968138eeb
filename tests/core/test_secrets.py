"""Secrets: names, values that are masked wherever a text might show them, and what a check of a document says."""

import json
from typing import Annotated, Any

import pytest

from nodeflow.core.errors import MissingFile
from nodeflow.core.files import NoFiles
from nodeflow.core.node import node
from nodeflow.core.rows import Row
from nodeflow.core.secrets import MASK, SecretFault, Vault, may_be_secret
from nodeflow.core.validate import resolve
from nodeflow.core.widgets import Secret
from nodeflow.core.workflow import Document

Key = Annotated[str, Secret()]
PASTED = "sk-live-51H8xyzABCDEF"


class Drawer:
    """Secrets by name."""

    def __init__(self, **values: str) -> None:
        self.values = values

    def read(self, name: str) -> str:
        if name not in self.values:
            raise SecretFault(f"{name} is not there", "put it there")
        return self.values[name]


def opened(**values: str) -> Vault:
    vault = Vault(Drawer(**values))
    for name in values:
        vault.read(name)
    return vault


def test_a_value_is_masked_from_the_moment_it_is_handed_out() -> None:
    vault = Vault(Drawer(KEY="hunter22"))
    assert vault.scrub("the key is hunter22") == "the key is hunter22"
    assert not vault.knows_any
    assert vault.read("KEY") == vault.read("KEY") == "hunter22"
    assert vault.scrub("the key is hunter22, hunter22") == f"the key is {MASK}, {MASK}"
    assert vault.knows_any


@pytest.mark.parametrize(
    "shown",
    [
        'a"b\\c d/é',
        repr('a"b\\c d/é'),
        json.dumps('a"b\\c d/é'),
        json.dumps('a"b\\c d/é', ensure_ascii=False),
        "https://x.org/?key=a%22b%5Cc%20d%2F%C3%A9",
        "key=a%22b%5Cc+d%2F%C3%A9",
    ],
)
def test_it_is_masked_in_every_way_it_may_be_written(shown: str) -> None:
    masked = opened(KEY='a"b\\c d/é').scrub(f"before {shown} after")
    assert MASK in masked
    assert "b" not in masked.replace("before", "")


def test_the_lines_of_a_long_secret_are_masked_one_by_one() -> None:
    vault = opened(PEM="-----BEGIN-----\nMIIEvQIBADANBg\nend\n")
    assert vault.scrub("at MIIEvQIBADANBg the end") == f"at {MASK} the end"


def test_the_longer_of_two_secrets_is_masked_whole() -> None:
    assert opened(A="pass", B="password").scrub("password pass") == f"{MASK} {MASK}"


def test_texts_inside_values_are_masked_and_everything_else_is_left() -> None:
    thing = object()
    vault = opened(KEY="hunter22")
    shown = vault.scrub_value({"hunter22": ["a hunter22", ("hunter22", 3)], "other": thing})
    assert shown == {MASK: [f"a {MASK}", (MASK, 3)], "other": thing}
    assert Vault().scrub_value(["hunter22"]) == ["hunter22"]


def test_a_value_is_found_in_bytes() -> None:
    vault = opened(KEY="hunter22")
    assert vault.found_in(b"nothing", memoryview(b"..hunter22.."))
    assert not vault.found_in(b"nothing", memoryview(b"..hunter2.."))
    assert not Vault().found_in(b"hunter22")


def test_an_empty_value_masks_nothing() -> None:
    vault = Vault()
    vault.hide("")
    assert vault.scrub("a text") == "a text"


@pytest.mark.parametrize("name", [PASTED, "", "1A", "a b", "é", "A" * 65])
def test_what_is_no_name_is_refused_and_not_repeated(name: str) -> None:
    with pytest.raises(SecretFault) as caught:
        Vault(Drawer()).read(name)
    assert str(caught.value).startswith("this is not the name of a secret → give a name: a letter")
    assert PASTED not in str(caught.value)


def test_without_a_source_there_are_none() -> None:
    with pytest.raises(SecretFault, match="there are no secrets here"):
        Vault().read("KEY")


@pytest.mark.parametrize(
    ("name", "secret"), [("OPENAI_API_KEY", False), ("KEY_2", False), ("AKIA51H8X9", True), ("a" * 41, True)]
)
def test_a_name_that_looks_like_a_secret_is_not_shown(name: str, secret: bool) -> None:
    assert may_be_secret(name) is secret


# In a document.


class Account(Row):
    user: str
    key: Key


@node("Ask")
def ask(question: str, key: Key) -> str:
    """Ask a service."""
    return question + key


@node("AskAll")
def ask_all(accounts: list[Account], spare: Key = "SPARE", keys: list[str] | None = None) -> str:
    """Ask several."""
    return ""


@node("AskMaybe")
def ask_maybe(key: Key = "") -> str:
    """Ask, with a key or without one."""
    return key


@ask.check
def _not_admin(key: str) -> None:
    if key == "KEY":
        return
    from nodeflow.core.errors import InputError

    raise InputError("key", "another one")


@pytest.fixture(scope="module")
def specs(catalogue: Any) -> Any:
    """The nodes of this file, which have nothing to do with others'."""
    found = type(catalogue)()
    found.add(ask, ask_all, ask_maybe)
    found.rules = {"Ask": _not_admin}
    return found


def problems(specs: Any, files: Any, type: str, **inputs: Any) -> list[Any]:
    tree = {"nodeflow": 1, "nodes": {"n": {"type": type, "version": 1, "inputs": inputs}}}
    return [*resolve(Document.from_tree(tree), specs, files).errors]


def test_the_name_of_a_secret_that_is_there_is_fine(specs: Any, files: Any) -> None:
    assert problems(specs, files, "Ask", question="?", key="KEY") == []
    assert problems(specs, files, "AskMaybe") == []
    assert problems(specs, NoFiles(), "AskAll", accounts=[{"user": "me", "key": "ANY"}]) == []


def test_a_secret_that_is_missing_is_named_with_the_way_out(specs: Any, files: Any) -> None:
    (problem,) = problems(specs, files, "Ask", question="?", key="NONE")
    assert str(problem) == 'Ask "n" · key: NONE is not there → put it there [secret.missing]'


def test_a_default_and_a_field_of_a_row_are_looked_up_as_well(specs: Any, files: Any) -> None:
    found = problems(specs, files, "AskAll", accounts=[{"user": "me", "key": "KEY"}, {"user": "you", "key": "NONE"}])
    assert [(problem.input, problem.code) for problem in found] == [
        ("accounts[1].key", "secret.missing"),
        ("spare", "secret.missing"),
    ]


@pytest.mark.parametrize(
    "value",
    [PASTED, {"value": PASTED}, {"secret": PASTED}, [PASTED], {"link": PASTED}, {"draw": "choice", "of": [PASTED]}],
)
def test_a_secret_that_was_pasted_into_the_document_is_never_repeated(specs: Any, files: Any, value: Any) -> None:
    found = problems(specs, files, "Ask", question="?", key=value)
    assert found
    assert PASTED not in "".join(map(repr, found))


def test_a_secret_that_was_pasted_as_a_number_or_in_the_place_of_rows_is_not_repeated_either(
    specs: Any, files: Any
) -> None:
    for found in (
        problems(specs, files, "Ask", question="?", key=123456789),
        problems(specs, files, "AskAll", spare="KEY", accounts=[PASTED]),
        problems(specs, files, "AskAll", spare="KEY", accounts=[{"user": "me", "key": 123456789}]),
    ):
        assert found
        assert PASTED not in repr(found)
        assert "123456789" not in repr(found)


def test_a_document_that_lacks_nothing_but_a_secret_is_missing_something(specs: Any, files: Any) -> None:
    tree = {"nodeflow": 1, "nodes": {"n": {"type": "AskMaybe", "version": 1, "inputs": {"key": "NONE"}}}}
    with pytest.raises(MissingFile):
        resolve(Document.from_tree(tree), specs, files).require()
