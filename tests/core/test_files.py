"""Names of files and folders in documents."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from nodeflow.core.files import FileCheck, FileFault, NoFiles
from nodeflow.core.widgets import ImageFile, ImageFolder, ModelFile, OutputImage, SubGraph

PICTURE, FOLDER, MODEL = ImageFile().widget(), ImageFolder().widget(), ModelFile("checkpoints").widget()
WRITTEN = OutputImage().widget()


@pytest.mark.parametrize(
    ("widget", "name"),
    [(PICTURE, "cat.png"), (FOLDER, "cats"), (FOLDER, "."), (MODEL, "emoji-tiny.safetensors")],
)
def test_what_is_there_is_fine(widget: Any, name: str, files: Any) -> None:
    assert FileCheck(files).fault(widget, name) is None


@pytest.mark.parametrize(
    ("widget", "name", "message"),
    [
        (PICTURE, "cats", "there is no such picture in the input folders"),
        (FOLDER, "dogs", "there is no such folder in the input folders"),
        (MODEL, "cat.png", "there is no such file in checkpoints"),
    ],
)
def test_what_is_not_there_is_told(widget: Any, name: str, message: str, files: Any) -> None:
    fault = FileCheck(files).fault(widget, name)
    assert fault is not None
    assert (fault.code, fault.message) == ("file.missing", message)


@pytest.mark.parametrize(("name", "folder"), [("cat.png", "."), ("pets/cat.png", "pets")])
def test_a_file_in_the_place_of_a_folder_is_told(name: str, folder: str) -> None:
    class Cats(NoFiles):
        def input(self, name: str) -> Path | None:
            return Path(name)

    assert FileCheck(Cats()).fault(FOLDER, name) == FileFault(
        "file.missing", "this is a file, and a folder is asked for", None, f'write "{folder}"'
    )


@pytest.mark.parametrize("name", ["small", "small/"])
def test_a_folder_in_the_place_of_a_model_file_is_told_with_the_files_in_it(name: str) -> None:
    class Models(NoFiles):
        def names(self, kind: str) -> Sequence[str]:
            return ("other.safetensors", "small/model_index.json", "smaller/model_index.json")

    fault = FileCheck(Models()).fault(ModelFile("diffusers").widget(), name)
    assert fault == FileFault(
        "file.missing",
        "this is a folder in diffusers, and a file is asked for",
        "small/model_index.json",
        'write "small/model_index.json"',
    )


def test_where_a_picture_is_looked_for_is_told() -> None:
    class Places(NoFiles):
        def input_places(self) -> Sequence[Path]:
            return (Path("/here"), Path("/home/input"))

    for widget in (PICTURE, FOLDER):
        fault = FileCheck(Places()).fault(widget, "cats")
        assert fault is not None
        assert fault.hint == "put it into /here or /home/input"


def test_a_picture_that_was_written_is_looked_for_among_those_that_runs_wrote() -> None:
    class Output(NoFiles):
        def output(self, name: str) -> Path | None:
            return Path(name) if name == "cat.png" else None

        def output_places(self) -> Sequence[Path]:
            return (Path("/output"), Path("/here"))

    missing = "there is no such picture in the output folder"
    assert FileCheck(Output()).fault(WRITTEN, "cat.png") is None
    hint = "run what writes it; looked for in /output and /here"
    assert FileCheck(Output()).fault(WRITTEN, "dog.png") == FileFault("file.missing", missing, None, hint)
    assert FileCheck(NoFiles()).fault(WRITTEN, "cat.png") == FileFault("file.missing", missing)


def test_a_sub_graph_is_one_that_the_document_defines(files: Any) -> None:
    widget = SubGraph().widget()
    assert FileCheck(files, graphs=["refine", "grow"]).fault(widget, "refine") is None
    assert FileCheck(files, graphs=["refine", "grow"]).fault(widget, "refnie") == FileFault(
        "graph.unknown", "the document has no such sub-graph", "refine, grow", 'did you mean "refine"?'
    )
    fault = FileCheck(files).fault(widget, "refine")
    assert fault is not None
    assert fault.expected == "none"


@pytest.mark.parametrize("name", ["../cats", "/cats", "C:/cats", "a/../../cats", " ", "a\\b"])
def test_no_name_leaves_its_folder(name: str, files: Any) -> None:
    for widget in (PICTURE, FOLDER, MODEL, WRITTEN):
        assert getattr(FileCheck(files).fault(widget, name), "code", None) == "file.path"


def test_each_name_is_looked_up_once(files: Any) -> None:
    check = FileCheck(files)
    first = check.fault(FOLDER, "dogs")
    assert isinstance(first, FileFault)
    assert check.fault(FOLDER, "dogs") is first


def test_where_there_are_no_files_nothing_is_found() -> None:
    check = FileCheck(NoFiles())
    faults = [check.fault(widget, "cat.png") for widget in (PICTURE, FOLDER, MODEL)]
    assert [fault.code for fault in faults if fault] == ["file.missing"] * 3
