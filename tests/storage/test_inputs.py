"""Which file an input name means."""

from pathlib import Path

from nodeflow.storage.inputs import InputFiles


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
