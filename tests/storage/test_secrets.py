"""Where secrets are: the environment first, then files that only their owner may read."""

import os
from pathlib import Path

import pytest

from nodeflow.core.secrets import SecretFault
from nodeflow.storage.secrets import MAX_BYTES, SecretPlaces


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "secrets"
    found.mkdir()
    return found


def kept(folder: Path, name: str, content: bytes, mode: int = 0o600) -> Path:
    path = folder / name
    path.write_bytes(content)
    path.chmod(mode)
    return path


def fault(places: SecretPlaces, name: str) -> str:
    found = places.fault(name)
    assert found is not None
    with pytest.raises(SecretFault):
        places.read(name)
    return str(found)


def test_the_environment_comes_first(folder: Path) -> None:
    kept(folder, "KEY", b"from the file")
    assert SecretPlaces({"NODEFLOW_SECRET_KEY": "from the environment"}, folder).read("KEY") == "from the environment"
    assert SecretPlaces({"KEY": "x", "NODEFLOW_SECRET_key": "y"}, folder).read("KEY") == "from the file"


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"secret", "secret"),
        (b"secret\n", "secret"),
        (b"secret\r\n", "secret"),
        (b"secret\n\n", "secret\n"),
        (b" secret ", " secret "),
        ("größe\n".encode(), "größe"),
    ],
)
def test_one_newline_at_the_end_is_no_part_of_it(folder: Path, content: bytes, value: str) -> None:
    kept(folder, "KEY", content)
    assert SecretPlaces({}, folder).read("KEY") == value


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_a_file_for_its_owner_alone_is_read(folder: Path, mode: int) -> None:
    kept(folder, "KEY", b"secret", mode)
    assert SecretPlaces({}, folder).fault("KEY") is None


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o777])
def test_a_file_that_others_may_read_is_refused_with_the_command_that_mends_it(folder: Path, mode: int) -> None:
    path = kept(folder, "KEY", b"secret", mode)
    said = fault(SecretPlaces({}, folder), "KEY")
    assert said == f"KEY is kept in a file that others may read (mode {mode:o}) → chmod 600 {path}"


def test_what_is_missing_is_named_with_both_places(folder: Path, tmp_path: Path) -> None:
    said = fault(SecretPlaces({}, folder), "KEY")
    way_out = f"set the environment variable NODEFLOW_SECRET_KEY, or write it into {folder / 'KEY'} (mode 600)"
    assert said == f"KEY is not there → {way_out}"
    nowhere = SecretPlaces({}, kept(tmp_path, "file", b"") / "secrets")
    assert "KEY is not there" in fault(nowhere, "KEY")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "KEY is empty"),
        (b"\n", "KEY is empty"),
        (b"\xff\xfe", "KEY is not a text in UTF-8"),
        (b"x" * (MAX_BYTES + 1), f"KEY is longer than {MAX_BYTES} bytes"),
    ],
)
def test_a_file_that_holds_no_secret_is_said_to(folder: Path, content: bytes, says: str) -> None:
    kept(folder, "KEY", content)
    assert says in fault(SecretPlaces({}, folder), "KEY")


def test_an_empty_variable_is_no_secret_either(folder: Path) -> None:
    kept(folder, "KEY", b"secret")
    assert "KEY is empty" in fault(SecretPlaces({"NODEFLOW_SECRET_KEY": ""}, folder), "KEY")


def test_the_largest_secret_is_read(folder: Path) -> None:
    kept(folder, "KEY", b"x" * MAX_BYTES)
    assert len(SecretPlaces({}, folder).read("KEY")) == MAX_BYTES


def test_a_link_is_followed_and_what_it_leads_to_counts(folder: Path, tmp_path: Path) -> None:
    (folder / "SAFE").symlink_to(kept(tmp_path, "safe", b"secret"))
    (folder / "OPEN").symlink_to(kept(tmp_path, "open", b"secret", 0o644))
    (folder / "GONE").symlink_to(tmp_path / "gone")
    places = SecretPlaces({}, folder)
    assert places.read("SAFE") == "secret"
    assert "others may read" in fault(places, "OPEN")
    assert "GONE is not there" in fault(places, "GONE")


def test_what_is_no_file_is_refused_and_not_waited_for(folder: Path) -> None:
    (folder / "DIR").mkdir(mode=0o700)
    os.mkfifo(folder / "PIPE", 0o600)
    (folder / "LOOP").symlink_to(folder / "LOOP")
    places = SecretPlaces({}, folder)
    assert "DIR is not kept in a file" in fault(places, "DIR")
    assert "PIPE is not kept in a file" in fault(places, "PIPE")
    assert "LOOP cannot be read" in fault(places, "LOOP")


@pytest.mark.parametrize("mode", [None, 0o644])
def test_a_name_that_may_be_a_secret_itself_is_not_repeated(folder: Path, mode: int | None) -> None:
    pasted = "AKIA5123456EXAMPLE"
    if mode is not None:
        kept(folder, pasted, b"secret", mode)
    said = fault(SecretPlaces({}, folder), pasted)
    assert pasted not in said
    assert str(folder / "NAME") in said
