"""Files that a document names, and who finds them."""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from nodeflow.core.mentions import mentioned, spoken
from nodeflow.core.secrets import NAME, NAME_EXPECTED, NAME_FAULT, SECRET, SecretFault
from nodeflow.core.spec import Widget
from nodeflow.core.suggest import did_you_mean, listing

FILE_WIDGETS: Final = frozenset({"model_file", "image_file", "input_file", "output_image", "image_folder"})
"""Widgets whose literal is the name of a file, or of a folder."""

GRAPH: Final = "graph"
"""The widget whose literal is the name of a sub-graph of the document."""

NAMING_WIDGETS: Final = FILE_WIDGETS | {SECRET, GRAPH}
"""Widgets whose literal is the name of something that has to be there."""

_OUTSIDE: Final = re.compile(r"^/|^[A-Za-z]:|(^|/)\.\.(/|$)|\x00|^\s*$")


class Files(Protocol):
    """The user's model folders, input folders and output folder."""

    def find(self, folder: str, name: str) -> Path | None:
        """The model file called ``name`` in the folders of one kind, such as ``checkpoints``."""
        ...

    def meant(self, folder: str, name: str) -> str | None:
        """The full name of the model file that a text names, where suffix and sub-folder may be left out."""
        ...

    def unfit(self, folder: str, name: str) -> str | None:
        """Why a model file of that name, though it is there, is not found; None when there is none."""
        ...

    def names(self, folder: str) -> Sequence[str]:
        """The names that ``find`` would find."""
        ...

    def folder(self, folder: str) -> Path:
        """Where a missing file of that kind is expected."""
        ...

    def input(self, name: str) -> Path | None:
        """The picture called ``name`` in the input folders."""
        ...

    def input_folder(self, name: str) -> Path | None:
        """The folder called ``name`` in the input folders; ``.`` is the first of these."""
        ...

    def input_places(self) -> Sequence[Path]:
        """The input folders, in the order in which they are looked through."""
        ...

    def output(self, name: str) -> Path | None:
        """The picture called ``name`` in the output folder."""
        ...

    def output_places(self) -> Sequence[Path]:
        """Where such pictures are looked for, in order."""
        ...

    def secret(self, name: str) -> SecretFault | None:
        """Why the secret called ``name`` cannot be had; None when it can."""
        ...


class NoFiles:
    """There are none: for graphs without model files, and for tests."""

    def find(self, folder: str, name: str) -> Path | None:
        return None

    def meant(self, folder: str, name: str) -> str | None:
        return None

    def unfit(self, folder: str, name: str) -> str | None:
        return None

    def names(self, folder: str) -> Sequence[str]:
        return ()

    def folder(self, folder: str) -> Path:
        return Path("models") / folder

    def input(self, name: str) -> Path | None:
        return None

    def input_folder(self, name: str) -> Path | None:
        return None

    def input_places(self) -> Sequence[Path]:
        return ()

    def output(self, name: str) -> Path | None:
        return None

    def output_places(self) -> Sequence[Path]:
        return ()

    def secret(self, name: str) -> SecretFault | None:
        return None


class FileFault(NamedTuple):
    """Why the name of a file, a secret or a sub-graph in a document cannot be used."""

    code: str
    message: str
    expected: str | None = None
    hint: str | None = None


class FileCheck:
    """Looks each file up once, however many nodes name it."""

    def __init__(
        self, files: Files, twin: Callable[[str, str], str | None] | None = None, graphs: Collection[str] = ()
    ) -> None:
        """Makes ready to look.

        Args:
            files: Of the user.
            twin: Who knows, by kind and name, under which other name a missing model is here.
            graphs: Names of the sub-graphs that the document defines.
        """
        self._files = files
        self._twin = twin
        self._graphs = graphs
        self._known: dict[tuple[Widget, str], FileFault | None] = {}

    @property
    def models(self) -> tuple[tuple[str, str], ...]:
        """Kind and name of every model that was asked for."""
        return tuple((widget.folder, name) for widget, name in self._known if widget.folder is not None)

    def fault(self, widget: Widget, name: str) -> FileFault | None:
        """What is wrong with a name.

        Args:
            widget: Of the input that names it; one of ``NAMING_WIDGETS``.
            name: As the document has it.
        """
        key = (widget, name)
        if key not in self._known:
            self._known[key] = self._look_up(widget, name)
        return self._known[key]

    def faults(self, widget: Widget, text: str) -> Iterator[tuple[str, FileFault]]:
        """Each name in a text that cannot be used, and why; the text is a name itself unless its widget says otherwise.

        Args:
            widget: Of the input; one of ``NAMING_WIDGETS``, or with a pattern.
            text: As the document has it.
        """
        for name in mentioned(widget, text) if widget.pattern is not None else (text,):
            fault = self.fault(widget, name) if widget.pattern is None else self._mention(widget.folder or "", name)
            if fault is not None:
                yield name, fault

    def _mention(self, kind: str, name: str) -> FileFault | None:
        full = None if name_fault(name) else self._files.meant(kind, name)
        fault = self.fault(Widget("model_file", folder=kind), full or name)
        if fault is None or fault.code != "file.missing":
            return fault
        known = spoken(self._files.names(kind))
        hint = did_you_mean(name, known) or f"put the file into {self._files.folder(kind)}"
        return fault._replace(expected=listing(known) if known else None, hint=hint)

    def _look_up(self, widget: Widget, name: str) -> FileFault | None:
        if widget.kind == SECRET:
            return self._secret(name)
        if widget.kind == GRAPH:
            return self._graph(name)
        return name_fault(name) or self._missing(widget, name)

    def _graph(self, name: str) -> FileFault | None:
        if name in self._graphs:
            return None
        hint = did_you_mean(name, self._graphs)
        return FileFault("graph.unknown", "the document has no such sub-graph", listing(self._graphs), hint)

    def _secret(self, name: str) -> FileFault | None:
        if NAME.fullmatch(name) is None:
            return FileFault("secret.name", NAME_FAULT, NAME_EXPECTED)
        fault = self._files.secret(name)
        return None if fault is None else FileFault("secret.missing", fault.message, None, fault.hint)

    def _missing(self, widget: Widget, name: str) -> FileFault | None:
        if widget.folder is not None:
            return self._missing_model(widget.folder, name)
        if widget.kind == "output_image":
            return self._missing_output(name)
        whole = widget.kind == "image_folder"
        if (self._files.input_folder(name) if whole else self._files.input(name)) is not None:
            return None
        if whole and self._files.input(name) is not None:
            folder = name.rpartition("/")[0] or "."
            return FileFault("file.missing", "this is a file, and a folder is asked for", None, f'write "{folder}"')
        places = " or ".join(map(str, self._files.input_places()))
        message = f"there is no such {'folder' if whole else 'picture'} in the input folders"
        return FileFault("file.missing", message, None, f"put it into {places}" if places else None)

    def _missing_output(self, name: str) -> FileFault | None:
        if self._files.output(name) is not None:
            return None
        places = " and ".join(map(str, self._files.output_places()))
        message = "there is no such picture in the output folder"
        return FileFault(
            "file.missing", message, None, f"run what writes it; looked for in {places}" if places else None
        )

    def _missing_model(self, folder: str, name: str) -> FileFault | None:
        if self._files.find(folder, name) is not None:
            return None
        names = self._files.names(folder)
        inside = [each for each in names if each.startswith(f"{name.rstrip('/')}/")]
        if inside:
            message = f"this is a folder in {folder}, and a file is asked for"
            return FileFault("file.missing", message, listing(inside), f'write "{inside[0]}"')
        place = self._files.folder(folder) / name
        unfit = self._files.unfit(folder, name)
        twin = self._twin(folder, name) if self._twin is not None else None
        known = f'the very file is here as "{twin}"' if twin else did_you_mean(name, names)
        hints = (known, None if unfit else f"put the file at {place}")
        message = unfit or f"there is no such file in {folder}"
        return FileFault(
            "file.missing", message, listing(names) if names else None, " or ".join(hint for hint in hints if hint)
        )


def name_fault(name: str) -> FileFault | None:
    """What is wrong with a file name by itself.

    Names are relative to a folder of the user's, stay inside it, and are written with ``/`` on every system.
    """
    if _OUTSIDE.search(name.replace("\\", "/")):
        return FileFault("file.path", "a file is named relative to its folder and never leaves it", "a relative name")
    if "\\" in name:
        meant = name.replace("\\", "/")
        return FileFault("file.path", "folders in file names are parted by /", "a name with /", f'write "{meant}"')
    return None
