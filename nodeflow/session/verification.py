"""The model files of a document, read anew and held against its pins."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from nodeflow.core.pins import pin_of
from nodeflow.core.workflow import ModelPin
from nodeflow.session.files import SessionFiles
from nodeflow.storage.digests import Digests
from nodeflow.storage.home import Home


class State(StrEnum):
    """What became of one model file."""

    OK = "ok"
    DIFFERS = "differs"
    MISSING = "missing"
    UNREADABLE = "unreadable"
    UNPINNED = "not pinned"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One model file.

    Attributes:
        name: Kind and name, or what the document pins where no file of that name is here.
        state: What became of it.
        pinned: The sha256 that the document asks for.
        found: The sha256 of the file.
        path: Where the file is.
    """

    name: str
    state: State
    pinned: str | None = None
    found: str | None = None
    path: str | None = None

    def __str__(self) -> str:
        details = {
            State.OK: f"sha256 {self.found}",
            State.DIFFERS: f"{self.path} has sha256 {self.found}, the document asks for {self.pinned}",
            State.MISSING: "there is no such file in the folders of models",
            State.UNREADABLE: f"{self.path} cannot be read",
            State.UNPINNED: f"nodeflow lock would write sha256 {self.found}",
        }
        return f"{self.state}: {self.name}: {details[self.state]}"


def verdicts(
    pins: Mapping[str, ModelPin], used: Collection[tuple[str, str]], files: SessionFiles, home: Home
) -> Iterator[Verdict]:
    """One for each file that is used or pinned.

    Args:
        pins: As the document has them.
        used: Kind and name of the files that its nodes name.
        files: Where files are.
        home: Where digests are remembered for others.
    """
    digests = Digests(home.digests)
    for kind, name in used:
        yield _verdict(f"{kind}/{name}", pin_of(pins, kind, name), (kind, name), files, digests)
    known = {label for kind, name in used for label in (name, f"{kind}/{name}")}
    for label, pin in pins.items():
        if label not in known:
            yield _verdict(label, pin, pinned_place(label, files), files, digests)


def pinned_place(label: str, files: SessionFiles) -> tuple[str, str] | None:
    """Kind and name of a file that is pinned and that no node names."""
    for kind in files.models.kinds():
        for name in dict.fromkeys((label.removeprefix(f"{kind}/"), label)):
            if files.find(kind, name) is not None:
                return kind, name
    return None


def _verdict(
    label: str, pin: ModelPin | None, place: tuple[str, str] | None, files: SessionFiles, digests: Digests
) -> Verdict:
    asked = None if pin is None else pin.sha256
    path = None if place is None else files.find(*place)
    if path is None:
        return Verdict(label, State.MISSING, asked)
    try:
        found = digests.measured(path)
    except OSError:
        return Verdict(label, State.UNREADABLE, asked, path=str(path))
    if asked is None:
        return Verdict(label, State.UNPINNED, None, found, str(path))
    return Verdict(label, State.OK if asked.lower() == found else State.DIFFERS, asked, found, str(path))
