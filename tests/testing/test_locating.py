"""A pack is found by its folder, by its project, or by its name."""

from pathlib import Path

import pytest

from nodeflow.core.errors import UsageError
from nodeflow.storage.home import Home
from nodeflow.testing.locating import Target, locate


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "pyproject.toml").write_text('[project.entry-points."nodeflow.packs"]\nsoft = "soft.pack:pack"\n')
    return folder


@pytest.mark.parametrize("place", ["soft", "src/soft"])
def test_a_project_names_its_package_in_either_layout(project: Path, place: str) -> None:
    (project / place).mkdir(parents=True)
    (project / place / "__init__.py").touch()
    assert locate(project, Home(project)) == (Target("soft.pack", project / place, project),)


def test_a_package_may_be_a_single_file(project: Path) -> None:
    (project / "soft.py").touch()
    (target,) = locate(project, Home(project))
    assert (target.root, target.path) == (project / "soft.py", project)


def test_a_folder_pack_is_found_by_its_name_and_keeps_its_examples_inside(tmp_path: Path) -> None:
    folder = tmp_path / "packs" / "soft"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    assert locate("soft", Home(tmp_path)) == (Target("soft", folder, folder),)
    assert locate(folder, Home(tmp_path)) == (Target("soft", folder, folder),)


def test_the_package_of_a_project_is_part_of_it(project: Path) -> None:
    (project / "soft").mkdir()
    (project / "soft" / "__init__.py").touch()
    assert locate(project / "soft", Home(project)) == (Target("soft", project / "soft", project),)


def test_a_project_that_cannot_be_read_is_told(project: Path) -> None:
    (project / "pyproject.toml").write_text("[project")
    with pytest.raises(UsageError, match=r"pyproject\.toml"):
        locate(project, Home(project))
