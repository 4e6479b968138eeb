"""Names of files and folders in documents."""

from typing import Any

import pytest

from nodeflow.core.files import FileCheck, FileFault, NoFiles
from nodeflow.core.widgets import ImageFile, ImageFolder, ModelFile, SubGraph

PICTURE, FOLDER, MODEL = ImageFile().widget(), ImageFolder().widget(), ModelFile("checkpoints").widget()


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
        (FOLDER, "cat.png", "there is no such folder in the input folders"),
        (MODEL, "cat.png", "there is no such file in checkpoints"),
    ],
)
def test_what_is_not_there_is_told(widget: Any, name: str, message: str, files: Any) -> None:
    fault = FileCheck(files).fault(widget, name)
    assert fault is not None
    assert (fault.code, fault.message) == ("file.missing", message)


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
    for widget in (PICTURE, FOLDER, MODEL):
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
