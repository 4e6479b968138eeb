"""Places and settings."""

from pathlib import Path

import pytest

from nodeflow.core.errors import UsageError
from nodeflow.storage.home import Config, Home, find_home, read_config


def write(tmp_path: Path, text: str) -> Home:
    (tmp_path / "config.toml").write_text(text)
    return Home(tmp_path)


def test_the_home_is_where_the_environment_says(tmp_path: Path) -> None:
    assert find_home({"NODEFLOW_HOME": str(tmp_path)}).root == tmp_path
    assert find_home({}).root == Path.home() / ".nodeflow"
    assert find_home({"NODEFLOW_HOME": "relative"}).root == Path.cwd() / "relative"


def test_without_a_file_the_settings_are_the_defaults(tmp_path: Path) -> None:
    assert read_config(Home(tmp_path)) == Config()


def test_settings_are_read_and_paths_start_at_the_file(tmp_path: Path) -> None:
    text = """
    [models]
    folders = ["more", "/data/models"]
    comfyui = ["comfy/extra_model_paths.yaml"]
    [cache]
    memory = "1.5 GiB"
    disk = 1000
    [packs.mypack]
    strength = 0.5
    """
    config = read_config(write(tmp_path, text))
    assert config.models == (tmp_path / "more", Path("/data/models"))
    assert config.comfyui == (tmp_path / "comfy/extra_model_paths.yaml",)
    assert config.memory == 1.5 * 2**30
    assert config.disk == 1000
    assert config.packs == {"mypack": {"strength": 0.5}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[models", "config.toml"),
        ("[modles]", "did you mean models"),
        ("[models]\nfolder = []", "did you mean models.folders"),
        ("[cache]\nzzz = 1", "known: cache.memory, cache.disk"),
        ("models = 1", "must be a table"),
        ("[pack.mypack]", "did you mean packs"),
        ("packs = 1", r"\[packs\] must be a table"),
        ("[packs]\nmypack = 1", r"\[packs.mypack\] must be a table"),
        ("[models]\nfolders = 'x'", "must be a list of paths"),
        ("[models]\nfolders = [1]", "must be a list of paths"),
        ("[cache]\ndisk = 'lots'", "such as"),
        ("[cache]\ndisk = true", "such as"),
        ("[cache]\ndisk = -1", "such as"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_config(write(tmp_path, text))


def test_a_settings_file_that_is_a_folder_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "config.toml").mkdir()
    with pytest.raises(UsageError, match="cannot be read"):
        read_config(Home(tmp_path))


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_home_that_cannot_be_a_folder_says_nothing_and_keeps_nothing_from_running(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    assert read_config(Home(tmp_path / name)) == Config()
