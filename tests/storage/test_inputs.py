"""Which file an input name means."""

from pathlib import Path

from nodeflow.storage.inputs import InputFiles, files_in


def test_folders_are_searched_in_order(tmp_path: Path) -> None:
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
    (tmp_path / "b" / "cat.png").touch()
    (tmp_path / "b" / ".hidden").touch()
    files = InputFiles((tmp_path / "absent", tmp_path / "a", tmp_path / "b"))
    assert files.find("cat.png") == tmp_path / "b" / "cat.png"
    (tmp_path / "a" / "cat.png").touch()
    assert files.find("cat.png") == tmp_path / "a" / "cat.png"
    assert files.names() == ["cat.png"]


def test_names_and_links_do_not_leave_the_folder(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "secret.png").touch()
    (tmp_path / "in" / "link.png").symlink_to(tmp_path / "secret.png")
    files = InputFiles((tmp_path / "in",))
    assert files.find("../secret.png") is None
    assert files.find(str(tmp_path / "secret.png")) is None
    assert files.find("link.png") is None


def test_folders_are_found_in_order_and_a_dot_is_the_first_there_is(tmp_path: Path) -> None:
    (tmp_path / "b" / "cats").mkdir(parents=True)
    (tmp_path / "a").mkdir()
    files = InputFiles((tmp_path / "absent", tmp_path / "a", tmp_path / "b"))
    assert files.find_folder("cats") == tmp_path / "b" / "cats"
    assert files.find_folder(".") == tmp_path / "a"
    (tmp_path / "a" / "cats").mkdir()
    assert files.find_folder("cats") == tmp_path / "a" / "cats"
    assert files.find_folder("dogs") is None
    assert InputFiles(()).find_folder(".") is None


def test_no_folder_outside_is_found(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "secret").mkdir()
    (tmp_path / "in" / "link").symlink_to(tmp_path / "secret")
    files = InputFiles((tmp_path / "in",))
    for name in ("../secret", str(tmp_path / "secret"), "link", "", "./..", "~"):
        assert files.find_folder(name) is None


def test_the_files_in_a_folder_are_those_that_lie_in_it(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / "deeper").mkdir(parents=True)
    for name in ("b.png", "a.png", ".hidden", "deeper/c.png"):
        (folder / name).touch()
    (tmp_path / "secret.png").touch()
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    assert files_in(folder) == [folder / "a.png", folder / "b.png"]
