"""Which file a model name means."""

import os
from pathlib import Path

import pytest

from nodeflow.core.errors import UsageError
from nodeflow.core.packs import ModelKind
from nodeflow.storage.home import Config, Home
from nodeflow.storage.models import ModelFolders, model_folders


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def folders(
    tmp_path: Path, config: Config | None = None, *dirs: Path, kinds: tuple[ModelKind, ...] = ()
) -> ModelFolders:
    packs = [("built-in", tmp_path / "pack"), ("other", tmp_path)]
    declared = {kind.name: kind for kind in kinds}
    return model_folders(Home(tmp_path / "home"), config or Config(), models_dirs=dirs, packs=packs, kinds=declared)


def test_the_first_root_wins_and_all_are_listed(tmp_path: Path) -> None:
    mine = put(tmp_path / "mine/checkpoints/a.safetensors")
    put(tmp_path / "home/models/checkpoints/a.safetensors")
    put(tmp_path / "home/models/checkpoints/sub/b.ckpt")
    put(tmp_path / "pack/models/checkpoints/tiny.safetensors")
    put(tmp_path / "home/models/checkpoints/readme.txt")
    models = folders(tmp_path, None, tmp_path / "mine")
    assert models.find("checkpoints", "a.safetensors") == mine
    assert models.names("checkpoints") == ["a.safetensors", "sub/b.ckpt", "tiny.safetensors"]
    assert [file.root.label for file in models.files("checkpoints")] == ["--models-dir", "home", "pack built-in"]
    assert models.kinds() == ["checkpoints"]


def test_a_missing_file_is_none_and_has_a_folder_to_go_to(tmp_path: Path) -> None:
    assert folders(tmp_path).find("checkpoints", "a.safetensors") is None
    assert folders(tmp_path).folder("checkpoints") == tmp_path / "home/models/checkpoints"
    assert folders(tmp_path, None, tmp_path / "d").folder("loras") == tmp_path / "d/loras"


WORDS = ModelKind("embeddings", (".safetensors", ".pt"))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cat", "cat.safetensors"),
        ("cat.pt", "cat.pt"),
        ("dog", "a/dog.safetensors"),
        ("b/dog", "b/dog.safetensors"),
        ("dog.safetensors", "a/dog.safetensors"),
        ("old", "b/old.pt"),
        ("cow", None),
        ("b/cat", None),
        ("../secret", None),
        ("do", None),
        ("a", None),
    ],
)
def test_a_text_may_leave_out_suffix_and_folder(name: str, expected: str | None, tmp_path: Path) -> None:
    for file in ("cat.pt", "cat.safetensors", "a/dog.safetensors", "b/dog.safetensors", "b/old.pt", "../secret.pt"):
        put(tmp_path / "home/models/embeddings" / file)
    assert folders(tmp_path, kinds=(WORDS,)).meant("embeddings", name) == expected


@pytest.mark.parametrize(
    "name", ["../secret.safetensors", "/etc/passwd", "a/../../secret.safetensors", "", "..", "a\\b"]
)
def test_a_name_never_leaves_the_roots(tmp_path: Path, name: str) -> None:
    put(tmp_path / "home/models/secret.safetensors")
    put(tmp_path / "home/models/checkpoints/a/x.safetensors")
    assert folders(tmp_path).find("checkpoints", name) is None
    assert folders(tmp_path).find("..", "models/secret.safetensors") is None


def test_a_link_counts_only_when_it_ends_inside_a_root(tmp_path: Path) -> None:
    outside = put(tmp_path / "outside/x.safetensors")
    place = tmp_path / "home/models/checkpoints"
    place.mkdir(parents=True)
    (place / "x.safetensors").symlink_to(outside)
    assert folders(tmp_path).find("checkpoints", "x.safetensors") is None
    assert folders(tmp_path).names("checkpoints") == []
    assert list(folders(tmp_path).strays("checkpoints")) == [place / "x.safetensors"]
    listed = Config(models=(tmp_path / "outside",))
    assert folders(tmp_path, listed).find("checkpoints", "x.safetensors") == place / "x.safetensors"


def test_a_circle_of_links_ends(tmp_path: Path) -> None:
    place = put(tmp_path / "home/models/checkpoints/a.safetensors").parent
    (place / "again").symlink_to(place)
    assert "a.safetensors" in folders(tmp_path).names("checkpoints")


YAML = """
a111:
  base_path: sd
  checkpoints: models/Stable-diffusion
  loras: |
    models/Lora
    models/LyCORIS
comfyui:
  base_path: comfy
  is_default: true
  checkpoints: models/checkpoints/
  clip: models/clip/
  custom_nodes: custom_nodes/
empty:
"""


def test_the_folders_of_an_existing_comfyui_are_used_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "extra_model_paths.yaml"
    file.write_text(YAML)
    put(tmp_path / "sd/models/Stable-diffusion/a.safetensors")
    first = put(tmp_path / "comfy/models/checkpoints/a.safetensors")
    lora = put(tmp_path / "sd/models/LyCORIS/l.safetensors")
    clip = put(tmp_path / "comfy/models/clip/c.safetensors")
    models = folders(tmp_path, Config(comfyui=(file,)))
    assert models.find("checkpoints", "a.safetensors") == first
    assert models.find("loras", "l.safetensors") == lora
    assert models.find("text_encoders", "c.safetensors") == clip
    assert models.kinds() == ["checkpoints", "loras", "text_encoders"]


@pytest.mark.parametrize(
    "text", ["- a\n- b", "comfyui: text", "a: [", "a:\n  loras: [x]", "\x00", "a: &a [*a]\n", "x" * (2 << 20)]
)
def test_a_file_that_is_not_such_a_list_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "extra_model_paths.yaml"
    file.write_text(text)
    with pytest.raises(UsageError, match=r"extra_model_paths\.yaml"):
        folders(tmp_path, Config(comfyui=(file,)))


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        folders(tmp_path, Config(comfyui=(tmp_path / "absent.yaml",)))


FACES = ModelKind("faces", (".onnx",), folder="detectors/faces", help="Finds faces.")


def test_a_declared_kind_has_a_folder_and_suffixes_of_its_own(tmp_path: Path) -> None:
    place = put(tmp_path / "home/models/detectors/faces/small.ONNX")
    put(tmp_path / "home/models/detectors/faces/readme.txt")
    put(tmp_path / "home/models/detectors/other.onnx")
    put(tmp_path / "pack/models/detectors/faces/sub/big.onnx")
    models = folders(tmp_path, kinds=(FACES,))
    assert models.find("faces", "small.ONNX") == place
    assert models.names("faces") == ["small.ONNX", "sub/big.onnx"]
    assert models.folder("faces") == tmp_path / "home/models/detectors/faces"
    assert models.kinds() == ["faces"]
    assert folders(tmp_path / "empty", kinds=(FACES,)).kinds() == ["faces"]
    assert folders(tmp_path).kinds() == ["detectors"]


def test_a_file_that_does_not_fit_its_kind_is_not_found_and_told_why(tmp_path: Path) -> None:
    place = put(tmp_path / "home/models/detectors/faces/old.pt")
    models = folders(tmp_path, kinds=(FACES,))
    assert models.find("faces", "old.pt") is None
    assert models.unfit("faces", "old.pt") == f"{place} is there, but a file of faces ends in .onnx"
    assert models.unfit("faces", "gone.onnx") is None
    (place.parent / "folder").mkdir()
    assert models.unfit("faces", "folder") is None
    assert models.unfit("faces", "../faces/old.pt") is None


def test_a_link_out_of_all_roots_is_told_as_such(tmp_path: Path) -> None:
    outside = put(tmp_path / "outside/x.onnx")
    place = tmp_path / "home/models/detectors/faces"
    place.mkdir(parents=True)
    (place / "x.onnx").symlink_to(outside)
    models = folders(tmp_path, kinds=(FACES,))
    assert models.find("faces", "x.onnx") is None
    for name in ("x.onnx", "x"):
        assert f"links to {outside}, outside all folders" in str(models.unfit("faces", name))
    put(place / "sound.onnx")
    assert models.unfit("faces", "sound") is None


def test_a_kind_that_nobody_declared_takes_any_file_by_name_and_lists_those_that_look_like_models(
    tmp_path: Path,
) -> None:
    put(tmp_path / "home/models/odd/a.safetensors")
    table = put(tmp_path / "home/models/odd/table.json")
    models = folders(tmp_path, kinds=(FACES,))
    assert models.names("odd") == ["a.safetensors"]
    assert models.find("odd", "table.json") == table


def test_a_source_that_spells_out_its_folders_knows_a_declared_kind_by_name(tmp_path: Path) -> None:
    (tmp_path / "paths.yaml").write_text("comfy:\n  base_path: c\n  faces: some/where\n")
    place = put(tmp_path / "c/some/where/a.onnx")
    assert (
        folders(tmp_path, Config(comfyui=(tmp_path / "paths.yaml",)), kinds=(FACES,)).find("faces", "a.onnx") == place
    )


def test_what_cannot_be_read_is_told_and_hides_no_other_file(tmp_path: Path) -> None:
    place = put(tmp_path / "home/models/checkpoints/a.safetensors").parent
    put(place / "sub/b.safetensors")
    (place / "loop.safetensors").symlink_to("loop.safetensors")
    (place / "sub/dangling.safetensors").symlink_to("gone")
    os.mkfifo(place / "pipe.safetensors")
    (tmp_path / "home/models/round").symlink_to("round")
    models = folders(tmp_path)
    assert models.names("checkpoints") == ["a.safetensors", "sub/b.safetensors"]
    assert list(models.strays("checkpoints")) == []
    assert models.kinds() == ["checkpoints"]
    faults = {
        place / "loop.safetensors": "it is a link to loop.safetensors: too many levels of symbolic links",
        place / "sub/dangling.safetensors": "it is a link to gone, which is not there",
        place / "pipe.safetensors": "it is a pipe, not a file",
    }
    assert dict(models.broken("checkpoints")) == faults
    for path, why in faults.items():
        name = path.relative_to(place).as_posix()
        assert models.find("checkpoints", name) is None
        assert models.unfit("checkpoints", name) == f"{path} cannot be used: {why}"
    assert models.unfit("checkpoints", "a.safetensors/b") is None


def test_a_folder_that_cannot_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = put(tmp_path / "home/models/checkpoints/a.safetensors").parent
    put(place / "closed/b.safetensors")
    scandir = os.scandir

    def closed(path: Path) -> object:
        if path.name == "closed":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    models = folders(tmp_path)
    assert models.names("checkpoints") == ["a.safetensors"]
    assert list(models.broken("checkpoints")) == [(place / "closed", "the folder cannot be read: permission denied")]
