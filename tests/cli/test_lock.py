"""``nodeflow lock`` and ``nodeflow models verify``: pins written, found again, and named when they do not hold."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nodeflow.core.canonical import document_bytes
from tests.cli.conftest import Shell, document, interface

SHA = hashlib.sha256(b"weights").hexdigest()
TREE: dict[str, Any] = {
    **json.loads(
        document(
            {"paint": ("Paint", {}), "dark": ("Dark", {"image": "@paint.image", "file": "sub/m.safetensors"})},
            interface=interface({}, {"picture": "dark.image"}),
        )
    ),
    "ui": {"z": 1, "a": 2},
}


@pytest.fixture
def model(home: Path, place: Path) -> Iterator[Path]:
    path = home / "models/checkpoints/sub/m.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"weights")
    yield path
    path.unlink(missing_ok=True)


@pytest.fixture
def file(place: Path) -> Path:
    path = place / "work.json"
    path.write_text(json.dumps(TREE))
    return path


def written(file: Path, **changes: Any) -> dict[str, Any]:
    file.write_text(json.dumps({**TREE, **changes}))
    return {**TREE, **changes}


def test_a_locked_document_has_pins_and_is_otherwise_the_same(shell: Shell, file: Path, model: Path) -> None:
    said = shell("lock", file)

    locked = json.loads(file.read_bytes())
    assert said.code == 0, said
    assert said.out.splitlines()[0].startswith("pack shelltest: not pinned → ==1.0, sha256 ")
    assert said.out.splitlines()[1] == f"model sub/m.safetensors: not pinned → sha256 {SHA[:12]}…"
    assert locked["packs"]["shelltest"]["version"] == "==1.0"
    assert locked["models"] == {"sub/m.safetensors": {"sha256": SHA}}
    assert list(locked) == ["nodeflow", "nodes", "interface", "packs", "models", "ui"]
    assert {key: value for key, value in locked.items() if key not in ("packs", "models")} == TREE
    assert file.read_bytes() == document_bytes(locked)


def test_locking_again_changes_nothing_and_check_agrees(shell: Shell, file: Path, model: Path) -> None:
    assert shell("lock", file, "--check").code == 3
    assert json.loads(file.read_text()) == TREE
    shell("lock", file)
    before = file.read_bytes()

    again, checked = shell("lock", file), shell("lock", "--check", file)

    assert (again.code, again.out) == (0, f"{file}: nothing to change\n")
    assert (checked.code, checked.out) == (0, "")
    assert file.read_bytes() == before
    assert shell("check", file, "--strict").code == 0


def test_what_is_missing_is_named_and_its_pins_are_kept(shell: Shell, file: Path) -> None:
    pins = {"mypack": {"version": ">=1.2", "sha256": "00" * 32}}
    nodes = {**TREE["nodes"], "tag": {"type": "mypack.Tag", "odd": 1}}
    tree = written(file, nodes=nodes, packs=pins, models={"gone.safetensors": {"sha256": "11" * 32}})

    said = shell("lock", file)

    locked = json.loads(file.read_bytes())
    assert said.code == 3
    assert 'pip install "mypack>=1.2"' in said.err
    assert "there is no such file in checkpoints" in said.err
    assert locked["packs"]["mypack"] == pins["mypack"]
    assert locked["packs"]["shelltest"]["version"] == "==1.0"
    assert (locked["nodes"], locked["models"]) == (nodes, tree["models"])


def test_a_missing_model_alone_ends_like_a_missing_file(shell: Shell, file: Path) -> None:
    assert shell("lock", file).code == 4


def test_a_version_that_the_document_rules_out_is_not_locked(shell: Shell, file: Path, model: Path) -> None:
    written(file, packs={"shelltest": {"version": ">=2"}})

    said = shell("lock", file)

    assert said.code == 3
    assert "found 1.0 is installed; expected >=2" in said.err
    assert json.loads(file.read_bytes())["packs"] == {"shelltest": {"version": ">=2"}}


def test_what_is_no_file_of_the_users_goes_to_standard_output(shell: Shell, file: Path, model: Path) -> None:
    made = shell("run", file, "--json").report["outputs"]["picture"]["paths"][0]
    before = Path(made).read_bytes()

    for said in (shell("lock", made), shell("lock", "-", stdin=file.read_bytes())):
        assert said.code == 0
        assert json.loads(said.out)["packs"]["shelltest"]["version"] == "==1.0"

    assert Path(made).read_bytes() == before
    assert json.loads(shell("lock", "txt2img").out)["packs"]["nodeflow_nodes"]["version"].startswith("==")


def test_a_document_that_would_lose_something_is_not_written(shell: Shell, file: Path) -> None:
    written(file, misspelt={"a": 1})
    before = file.read_bytes()

    said = shell("lock", file)

    assert said.code == 3
    assert "there is no field misspelt" in said.err
    assert file.read_bytes() == before


def test_a_file_that_cannot_be_written_stays(shell: Shell, place: Path) -> None:
    assert shell("lock", place).code == 4
    assert shell("lock", "absent.json").code == 4


def test_a_picture_is_opened_with_its_pins_and_says_what_differs(shell: Shell, file: Path, model: Path) -> None:
    made = shell("run", file, "--json").report["outputs"]["picture"]["paths"][0]
    assert shell("check", made, "--strict").code == 0
    model.write_bytes(b"other weights")

    said = shell("check", made)

    assert said.code == 0
    assert "warning: the model checkpoints/sub/m.safetensors is not the file" in said.err
    assert shell("run", made, "--strict").code == 3


def test_models_are_verified_by_reading_them(shell: Shell, file: Path, model: Path) -> None:
    assert shell("models", "verify", file).code == 3
    shell("lock", file)
    said = shell("models", "verify", file)
    assert (said.code, said.out) == (0, f"ok: checkpoints/sub/m.safetensors: sha256 {SHA}\n")

    model.write_bytes(b"WEIGHTS")

    said = shell("models", "verify", file, "--json")
    assert said.code == 3
    assert json.loads(said.out)[0]["state"] == "differs"
    assert "the document asks for" in shell("models", "verify", file).out
    model.unlink()
    said = shell("models", "verify", file)
    assert (said.code, said.out.split(":")[0]) == (4, "missing")


def test_pins_that_no_node_needs_are_verified_too(shell: Shell, file: Path, model: Path) -> None:
    pins = {name: {"sha256": SHA} for name in ("checkpoints/sub/m.safetensors", "gone.safetensors")}
    nodes = {"paint": TREE["nodes"]["paint"]}
    written(file, nodes=nodes, models=pins, interface=interface({}, {"picture": "paint.image"}))

    said = shell("models", "verify", file)

    assert [line.split(":")[0] for line in said.out.splitlines()] == ["ok", "missing"]
    assert said.code == 4
    written(file, nodes=nodes, interface={})
    assert shell("models", "verify", file).out == f"{file}: pins no models and uses none\n"


def test_verify_needs_a_file(shell: Shell) -> None:
    said = shell("models", "verify")

    assert said.code == 2
    assert "which workflow" in said.err


def test_what_else_is_wrong_is_told_and_the_pins_are_written_all_the_same(
    shell: Shell, file: Path, model: Path
) -> None:
    nodes = TREE["nodes"] | {"other": {"type": "shelltest.Paint", "version": 1, "inputs": {"sede": 1}}}
    written(file, nodes=nodes)

    said, checked = shell("lock", file), shell("check", file)

    assert (said.code, checked.code) == (3, 3)
    assert 'there is no input "sede"' in said.err
    assert said.err == checked.err
    assert json.loads(file.read_bytes())["models"] == {"sub/m.safetensors": {"sha256": SHA}}


def test_one_warning_is_one_warning(shell: Shell, file: Path, model: Path) -> None:
    written(file, packs={"gone": {}})
    assert shell("check", file).out == f"{file}: ok, 1 warning\n"


def test_a_pinned_model_that_is_missing_is_a_warning_though_no_node_names_it(
    shell: Shell, file: Path, model: Path
) -> None:
    written(file, models={"gone.safetensors": {"sha256": SHA}, "checkpoints/sub/m.safetensors": {"sha256": SHA}})
    said = shell("check", file)
    assert (said.code, said.out) == (0, f"{file}: ok, 1 warning\n")
    assert 'warning: the document names the model "gone.safetensors", which is not here' in said.err
    assert shell("check", file, "--strict").code == 4
