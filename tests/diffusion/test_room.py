"""Memory is counted before it is taken."""

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.room import free_memory, require_room


def system(root: Path, machine: int | None = None, limit: str | None = None, used: str | None = None) -> Path:
    """A system that tells about its memory in the files of Linux."""
    (root / "proc").mkdir()
    (root / "sys/fs/cgroup").mkdir(parents=True)
    if machine is not None:
        (root / "proc/meminfo").write_text(f"MemTotal:  999 kB\nMemAvailable:   {machine} kB\nCached: 1 kB\n")
    for name, content in (("memory.max", limit), ("memory.current", used)):
        if content is not None:
            (root / "sys/fs/cgroup" / name).write_text(content + "\n")
    return root


def test_the_machine_says_what_is_free(tmp_path: Path) -> None:
    assert free_memory(system(tmp_path, machine=1000)) == 1_024_000


def test_a_container_may_have_less(tmp_path: Path) -> None:
    assert free_memory(system(tmp_path, 1000, limit="500000", used="100000")) == 400_000


def test_a_container_that_is_full_has_nothing(tmp_path: Path) -> None:
    assert free_memory(system(tmp_path, 1000, limit="5", used="6")) == 0


def test_a_container_without_limit_has_what_the_machine_has(tmp_path: Path) -> None:
    assert free_memory(system(tmp_path, 1000, limit="max", used="6")) == 1_024_000


@pytest.fixture
def addresses() -> Iterator[int]:
    """A limit of the addresses of this process, so high that nothing here ever comes near."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (2**46, before[1]))
    yield 2**46
    resource.setrlimit(resource.RLIMIT_AS, before)


def test_a_process_may_have_less(addresses: int, tmp_path: Path) -> None:
    root = system(tmp_path)
    assert free_memory(root) is None
    (root / "proc/self").mkdir()
    (root / "proc/self/statm").write_text("10 5 4 3 0 2 0\n")
    assert free_memory(root) == addresses - 10 * resource.getpagesize()
    (root / "proc/self/statm").write_text(f"{addresses} 5 4 3 0 2 0\n")
    assert free_memory(root) == 0


def test_a_process_without_limit_has_what_the_machine_has(tmp_path: Path) -> None:
    root = system(tmp_path, machine=1000)
    (root / "proc/self").mkdir()
    (root / "proc/self/statm").write_text("10 5 4 3 0 2 0\n")
    assert free_memory(root) == 1_024_000


def test_where_nothing_is_told_nothing_is_refused(tmp_path: Path) -> None:
    assert free_memory(tmp_path) is None
    require_room(4096, 16384, 16384, root=tmp_path)


def test_pictures_and_what_making_them_takes_must_fit(tmp_path: Path) -> None:
    root = system(tmp_path, machine=24)  # 24 KiB: 32 x 32 pixels of three floats, twice
    require_room(1, 32, 32, root=root)
    message = r"^1 x 33x32 pixels take 0\.0 GiB of memory, and 0\.0 GiB are free; make them smaller, or fewer at once$"
    with pytest.raises(ValueRuleError, match=message):
        require_room(1, 33, 32, root=root)
    require_room(3, 32, 32, 1, root=root)
