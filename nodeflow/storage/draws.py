"""What was drawn last: counters and the files taken from folders, kept so that nothing is given twice or lost."""

from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from nodeflow.core.errors import UsageError
from nodeflow.storage.filelock import exclusive
from nodeflow.storage.replacing import replace_file

_PATIENCE: Final = 60.0
"""Seconds to wait for another submission, which holds the lock while its document is checked."""


@dataclass(slots=True)
class DrawState:
    """What the next draws go on from.

    Attributes:
        counters: The last number of each counter, by its name.
        files: The last file taken, by the folder and the pattern.
    """

    counters: dict[str, int] = field(default_factory=dict[str, int])
    files: dict[str, str] = field(default_factory=dict[str, str])


_STATE: Final = TypeAdapter(DrawState)


@dataclass(frozen=True, slots=True)
class DrawStates:
    """The state in a folder of the home; one file, so that a submission is counted as a whole or not at all."""

    folder: Path

    def read(self) -> DrawState:
        """The state as it is now; a copy of one's own.

        Raises:
            UsageError: The file was damaged.
        """
        try:
            return _STATE.validate_json(self._file.read_bytes(), strict=True)
        except (FileNotFoundError, NotADirectoryError):
            return DrawState()
        except OSError as error:
            raise self._unusable(error) from error
        except ValidationError as error:
            way_out = "mend it, or delete it to start all counters again"
            raise UsageError(f"{self._file} is not as nodeflow wrote it; {way_out}") from error

    @contextmanager
    def turn(self) -> Generator[Callable[[], DrawState]]:
        """A submission: the state is read when it is first asked for, and what became of it is kept at the end.

        From then on to the end other submissions wait. An exception inside leaves the state as it was.

        Raises:
            UsageError: The state cannot be kept, so nothing may be drawn from it.
        """
        with ExitStack() as held:
            begun: list[DrawState] = []

            def state() -> DrawState:
                if not begun:
                    try:
                        held.enter_context(exclusive(self.folder / "lock", _PATIENCE))
                    except OSError as error:
                        raise self._unusable(error) from error
                    begun.append(self.read())
                return begun[0]

            yield state
            if begun:
                self._write(begun[0])

    def _write(self, state: DrawState) -> None:
        try:
            replace_file(self._file, _STATE.dump_json(state, indent=1) + b"\n")
        except OSError as error:
            raise self._unusable(error) from error

    @property
    def _file(self) -> Path:
        return self.folder / "state.json"

    def _unusable(self, error: OSError) -> UsageError:
        reason = error.strerror or str(error)
        way_out = "make it writable, set another NODEFLOW_HOME, or give the values with --input or --set"
        return UsageError(f"counters and next files cannot be kept in {self.folder}: {reason}; {way_out}")
