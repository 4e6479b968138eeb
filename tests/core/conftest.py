"""A small catalogue of nodes, and the user's files, that documents in these tests are held against."""

import json
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

import pytest
from pydantic import Field

from nodeflow.core.draws import DRAWS, Draw
from nodeflow.core.errors import InputError, PackFailed
from nodeflow.core.json import JsonValue
from nodeflow.core.migrations import Migrated, Migration
from nodeflow.core.node import Lazy, node
from nodeflow.core.rows import Row
from nodeflow.core.rules import Rule
from nodeflow.core.secrets import SecretFault
from nodeflow.core.signature import read_spec
from nodeflow.core.spec import Spec
from nodeflow.core.widgets import ImageFile, ModelFile, Open, Secret
from nodeflow.core.workflow import PackPin

T = TypeVar("T")


class Model: ...


class Image: ...


class Latent: ...


class Loaded(NamedTuple):
    model: Model
    latent: Latent


class Resize(StrEnum):
    FAST = "fast"
    SMOOTH = "smooth"


class Tune(Row):
    """A model file that is laid over another.

    Attributes:
        strength: How much of it.
    """

    file: Annotated[Path, ModelFile("checkpoints")]
    strength: Annotated[float, Field(ge=0, le=2)] = 1.0
    method: Resize = Resize.FAST
    sampler: Annotated[str, Open("samplers")] = "euler"
    options: dict[str, Any] | None = None
    steps: Annotated[Sequence[int], Field(max_length=2)] = ()
    latent: Latent | None = None


Size = Annotated[int, Field(ge=16, le=512, multiple_of=8)]


@node("Load")
def load(checkpoint: Annotated[Path, ModelFile("checkpoints")]) -> Loaded: ...


@node("Number")
def number(value: float) -> float: ...


@node("Whole")
def whole(value: int = 0, offset: Annotated[int, Field(ge=-10)] = 0, limit: int | None = None) -> int: ...


@node("Text")
def text(
    value: str, name: Annotated[str, Field(pattern="^[a-z]*$", max_length=8)] = "", shout: bool = False
) -> str: ...


@node("Sample")
def sample(
    model: Model,
    latent: Latent,
    seed: Annotated[int, Field(ge=0)] = 0,
    steps: Annotated[int, Field(ge=1, le=100)] = 20,
    cfg: Annotated[float, Field(gt=0, lt=30)] = 8.0,
    sampler: Annotated[str, Open("samplers")] = "euler",
) -> Latent: ...


@node("Decode")
def decode(latent: Latent) -> Image: ...


@node("Scale")
def scale(image: Image, width: Size = 128, height: Size = 128, method: Resize = Resize.FAST) -> Image: ...


@node("LoadImage")
def load_image(file: Annotated[Path, ImageFile()]) -> Image: ...


@node("Split")
def split(image: Image) -> list[Image]: ...


@node("Sheet")
def sheet(images: Annotated[list[Image], Field(min_length=1)], columns: int = 1) -> Image: ...


@node("Numbers")
def numbers(values: Annotated[list[int], Field(min_length=1, max_length=3)]) -> list[int]: ...


@node("Stack")
def stack(model: Model, rows: Annotated[Sequence[Tune], Field(max_length=3)] = ()) -> Model: ...


@node("Pick")
def pick(items: list[T]) -> T: ...


TABLE = {"a": 1}


@node("Options")
def options(anything: Any = None, table: dict[str, Any] = TABLE, either: int | bool = 0) -> Any: ...


@node("Switch")
async def switch(on: bool, yes: Lazy[T], no: Lazy[T]) -> T: ...


@node("Ask")
def ask(question: str, key: Annotated[str, Secret()]) -> str: ...


@node("Save")
def save(images: Image, prefix: str = "picture") -> None: ...


@scale.check
def _no_large_squares(width: int = 0, height: int = 0) -> None:
    if width == height == 512:
        raise InputError("width", "a square of 512 is too large; try 256")


@dataclass
class Catalogue:
    """Specs by id; satisfies what documents ask of a registry."""

    specs: dict[str, Spec] = field(default_factory=dict[str, Spec])
    steps: dict[tuple[str, int], Migration] = field(default_factory=dict[tuple[str, int], Migration])
    rules: dict[str, Callable[..., None]] = field(default_factory=dict[str, Callable[..., None]])
    reasons: dict[str, str] = field(default_factory=dict[str, str])
    draws: dict[str, type[Draw] | Exception] = field(default_factory=dict[str, Any])

    def add(self, *functions: Callable[..., Any]) -> None:
        for function in functions:
            spec = read_spec(function, pack="test")
            self.specs[spec.id] = spec

    def missing(self, id: str) -> str | None:
        return self.reasons.get(id.partition(".")[0])

    def choices(self, table: str) -> Sequence[str]:
        return {"samplers": ("euler", "euler_ancestral", "ddim"), "draws": tuple(self.draws)}[table]

    def checks(self, spec: Spec) -> Sequence[Rule]:
        return (Rule(self.rules[spec.id]),) if spec.id in self.rules else ()

    def migration(self, id: str, version: int) -> Migration | None:
        return self.steps.get((id, version))

    def draw(self, name: str) -> type[Draw] | None:
        found = self.draws.get(name)
        if isinstance(found, Exception):
            raise found
        return found or DRAWS.get(name)


def _rename_count(inputs: dict[str, JsonValue]) -> Mapping[str, JsonValue]:
    inputs["steps"] = inputs.pop("count", 20)
    return inputs


def _replace_old(inputs: dict[str, JsonValue]) -> Migrated:
    return Migrated({"value": inputs["text"]}, outputs={"string": "text"}, renamed={"text": "value"}, type="Text")


def _broken_step(inputs: dict[str, JsonValue]) -> Mapping[str, JsonValue]:
    return {"value": inputs["gone"]}


def _rule_of_scale(width: int = 0, height: int = 0) -> None:
    _no_large_squares(width, height)


def _unavailable() -> None:
    raise PackFailed("test", "No module named 'torch'")


def _divide() -> None:
    assert 1 / 0


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    """Nodes of a little picture maker; ``Sample`` is at version 2, and ``Circle`` can never be migrated."""
    found = Catalogue()
    found.add(load, number, whole, text, sample, decode, scale, load_image, split, sheet, numbers, stack, options, ask)
    found.add(switch, save, pick)
    found.specs["Sample"] = replace(found.specs["Sample"], version=2)
    found.specs["Whole"] = replace(found.specs["Whole"], version=3)
    found.specs["Number"] = replace(found.specs["Number"], version=2)
    found.specs["Unready"] = replace(found.specs["Text"], id="Unready", checks=True)
    found.specs["Faulty"] = replace(found.specs["Text"], id="Faulty", checks=True)
    found.rules = {"Scale": _rule_of_scale, "Unready": _unavailable, "Faulty": _divide}
    found.steps = {("Sample", 1): _rename_count, ("OldText", 1): _replace_old, ("Number", 1): _broken_step}
    found.reasons = {"faulty": "pack faulty: No module named 'cv2'"}
    return found


class UserFiles:
    """One checkpoint and one picture."""

    def find(self, folder: str, name: str) -> Path | None:
        return self.folder(folder) / name if name in self.names(folder) else None

    def meant(self, folder: str, name: str) -> str | None:
        return next((each for each in self.names(folder) if each.rpartition("/")[2].startswith(name)), None)

    def unfit(self, folder: str, name: str) -> str | None:
        return f"/models/{folder}/{name} ends wrongly" if name == "odd.txt" else None

    def names(self, folder: str) -> Sequence[str]:
        return ("emoji-tiny.safetensors", "sub/other.safetensors") if folder == "checkpoints" else ()

    def folder(self, folder: str) -> Path:
        return Path("/models") / folder

    def input(self, name: str) -> Path | None:
        return Path("/input") / name if name == "cat.png" else None

    def input_places(self) -> Sequence[Path]:
        return ()

    def input_folder(self, name: str) -> Path | None:
        return Path("/input") / name if name in (".", "cats") else None

    def secret(self, name: str) -> SecretFault | None:
        return None if name == "KEY" else SecretFault(f"{name} is not there", "put it there")


@pytest.fixture
def files() -> UserFiles:
    """The user's files."""
    return UserFiles()


class Shelf:
    """The pack of these tests, and two checkpoints."""

    def pack(self, name: str) -> PackPin | None:
        return PackPin(version="1.0", sha256="a" * 64) if name == "test" else None

    def sha256(self, kind: str, name: str) -> str | None:
        return {"emoji-tiny.safetensors": "c" * 64, "sub/other.safetensors": "d" * 64}.get(name)

    def named(self, kind: str, sha256: str) -> str | None:
        return {"c" * 64: "emoji-tiny.safetensors", "d" * 64: "sub/other.safetensors"}.get(sha256)

    def has_model(self, pinned: str) -> bool:
        return pinned in ("sub/other.safetensors", "checkpoints/sub/other.safetensors")


@pytest.fixture
def stock() -> Shelf:
    """What is installed."""
    return Shelf()


class Picture:
    """A document with nothing wrong, from the table of broken ones, to be changed."""

    def __init__(self) -> None:
        table = (Path(__file__).parents[1] / "documents" / "broken" / "table.json").read_text()
        self.tree: dict[str, Any] = json.loads(table)["document"]

    def changed(self, changes: Mapping[str, Any], *removed: str) -> bytes:
        """The document with other values at dotted places, and without some members."""
        tree = deepcopy(self.tree)
        for path, value in changes.items():
            place, last = self._place(tree, path)
            place[last] = value
        for path in removed:
            place, last = self._place(tree, path)
            del place[last]
        return json.dumps(tree).encode()

    def added(self, type: str, version: int = 1, /, **inputs: Any) -> dict[str, Any]:
        """Changes that add the node ``extra``."""
        return {"nodes.extra": {"type": type, "version": version, "inputs": inputs}}

    def _place(self, tree: Any, path: str) -> tuple[Any, str]:
        *parents, last = path.split(".")
        for name in parents:
            tree = tree[name]
        return tree, last


@pytest.fixture(scope="session")
def picture() -> Picture:
    """A document that loads, samples, decodes, scales and saves."""
    return Picture()
