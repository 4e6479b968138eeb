"""No secret gets from what workers print into the log."""

import asyncio
from pathlib import Path

import pytest

from nodeflow.server.hiding import Hiding
from nodeflow.storage.secrets import SecretPlaces
from tests.server.working import shop


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    folder = tmp_path / "secrets"
    folder.mkdir()
    return folder


def put(folder: Path, name: str, value: str) -> None:
    place = folder / name
    place.touch(mode=0o600)
    place.write_text(value)


def test_secrets_are_masked_before_any_node_has_read_them(secrets: Path) -> None:
    put(secrets, "ONE", "first-value-1")
    hiding = Hiding(SecretPlaces({"NODEFLOW_SECRET_TWO": "second-value-2"}, secrets))
    assert hiding.scrub("with first-value-1 and second-value-2") == "with *** and ***"


def test_one_that_comes_later_is_masked_and_so_is_another_value_in_the_same_file(secrets: Path) -> None:
    hiding = Hiding(SecretPlaces({}, secrets))
    assert hiding.scrub("first-value-1") == "first-value-1"
    put(secrets, "ONE", "first-value-1")
    assert hiding.scrub("first-value-1") == "***"
    put(secrets, "ONE", "changed-value-2")
    assert hiding.scrub("first-value-1, changed-value-2") == "***, ***"


def test_what_cannot_be_read_hides_nothing_else(secrets: Path) -> None:
    (secrets / "GONE").symlink_to(secrets / "nowhere")
    put(secrets, "OPEN", "everybody-reads-it")
    (secrets / "OPEN").chmod(0o644)
    put(secrets, "ONE", "first-value-1")
    hiding = Hiding(SecretPlaces({}, secrets))
    assert hiding.scrub("first-value-1") == "***"
    (secrets / "OPEN").chmod(0o600)
    assert hiding.scrub("everybody-reads-it") == "***"
    assert Hiding(SecretPlaces({}, secrets / "nowhere")).scrub("first-value-1") == "first-value-1"


def test_a_long_line_is_cut_after_its_secrets_are_masked(
    tmp_path: Path, secrets: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(secrets, "ONE", "first-value-1")

    async def story() -> None:
        async with shop(tmp_path) as it:
            await it.ready()
            await it.done(await it.submit({"do": [["print", "x" * 3990 + "first-value-1" * 10]]}))

            async def logged() -> bool:
                return "x" * 3990 in caplog.text

            await it.until(logged)

    with caplog.at_level("INFO"):
        asyncio.run(story())
    assert "first" not in caplog.text
