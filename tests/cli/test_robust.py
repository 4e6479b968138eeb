"""The shell under bad conditions: packs that print, a home that takes nothing, a disk that is full."""

import io
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from nodeflow.cli.main import main
from tests.cli.conftest import Shell, document, files_in, interface

LOUD = document(
    {
        "noisy": ("Noisy", {"text": "hello"}),
        "join": ("Join", {"text": "@noisy.text", "number": 7}),
        "paint": ("Paint", {"seed": 3}),
        "count": ("Count", {"steps": 4}),
    },
    interface=interface({}, {"words": "join.text", "picture": "paint.image", "total": "count.number"}),
)


@pytest.mark.parametrize("name", ["words", "picture", "total"])
def test_a_result_on_standard_output_is_alone_there_whatever_prints(
    name: str, place: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    (place / "loud.json").write_bytes(LOUD)
    assert main(["run", "loud.json", "--no-cache", "--stdout", name]) == 0
    said = capfdbinary.readouterr()
    for noise in (b"noise from print", b"noise from a child process", b"noise from C"):
        assert noise in said.err
    if name == "picture":
        with Image.open(io.BytesIO(said.out)) as picture:
            assert picture.size == (16, 8)
    else:
        assert said.out == {"words": b"hello 7", "total": b"6"}[name]
    assert not list((place / "output").glob(f"{name}_*")), "it is not written into a file as well"


@pytest.fixture
def sealed(home: Path, place: Path, tmp_path: Path) -> Iterator[None]:
    """The home takes nothing: in the place of its caches is a file, which holds for the superuser too."""
    shutil.move(home / "cache", tmp_path / "cache")
    (home / "cache").write_text("")
    yield
    (home / "cache").unlink()
    shutil.move(tmp_path / "cache", home / "cache")


@pytest.mark.parametrize("command", [["run"], ["sweep", "--over", "c.seed=1..3"]])
def test_a_home_that_takes_nothing_is_one_warning(sealed: None, command: list[str], shell: Shell, place: Path) -> None:
    (place / "count.json").write_bytes(
        document({"c": ("Count", {"steps": 5, "seconds": 0.05})}, interface=interface({}, {"n": "c.number"}))
    )
    said = shell(*command, "count.json")
    assert said.code == 0, said.err
    (warning,) = [line for line in said.err.splitlines() if line.startswith("warning")]
    assert "results are not kept on disk" in warning
    assert "make it writable" in warning


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """A disk on which no file can be larger."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def paint(place: Path) -> Path:
    path = place / "paint.json"
    path.write_bytes(document({"p": ("Paint", {"seed": 1})}, interface=interface({}, {"picture": "p.image"})))
    return path


FULL = "would be larger than this system or process may write"


def test_a_full_disk_fails_the_points_that_do_not_fit(shell: Shell, paint: Path, place: Path) -> None:
    with largest_file(40_000):
        said = shell("sweep", paint, "--over", "p.width=8,4000,16", "--no-cache", "--json")
    assert said.code == 5
    assert [point["status"] for point in said.report["points"]] == ["done", "failed", "done"]
    assert FULL in said.report["points"][1]["failures"][0]["message"]
    assert [name for name in files_in(place / "output") if name.startswith("picture")] == [
        "picture_width-16_00001.png",
        "picture_width-8_00001.png",
    ]
    assert not list((place / "output").glob("*.tmp"))


def test_a_sheet_that_does_not_fit_costs_no_point(shell: Shell, paint: Path, place: Path) -> None:
    with largest_file(20_000):
        said = shell("sweep", paint, "--over", "p.seed=1..4", "--set", "p.width=400", "--no-cache", "--json")
    assert said.code == 5
    assert [point["status"] for point in said.report["points"]] == ["done"] * 4
    assert said.report["sheets"] == []
    assert FULL in said.err
