"""Where the values of secrets are: in the environment, or in files that nobody else can read."""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nodeflow.core.secrets import SecretFault, may_be_secret

PREFIX: Final = "NODEFLOW_SECRET_"
MAX_BYTES: Final = 65_536

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class SecretPlaces:
    """Looks into the environment first, for ``NODEFLOW_SECRET_`` and the name, then for a file called like it.

    Attributes:
        environ: Variables of the process.
        folder: With one file per secret, each of which only its owner may read. A link is followed; what it leads to
            counts.
    """

    environ: Mapping[str, str]
    folder: Path

    def read(self, name: str) -> str:
        """The value of a secret; one newline at the end of a file is no part of it.

        Raises:
            SecretFault: There is none, it is empty, or others may read the file.
        """
        value = self.environ.get(PREFIX + name)
        if value is None:
            value = self._from_file(name)
        if not value:
            raise self._fault(name, "is empty")
        return value

    def fault(self, name: str) -> SecretFault | None:
        """Why a secret cannot be had; None when it can."""
        try:
            self.read(name)
        except SecretFault as fault:
            return fault
        return None

    def _from_file(self, name: str) -> str:
        path = self.folder / name
        try:
            # Something that is no file, such as a pipe, must not be waited for.
            descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        except (FileNotFoundError, NotADirectoryError):
            raise self._fault(name, "is not there") from None
        except OSError as error:
            raise self._fault(name, f"cannot be read: {error.strerror or error}") from None
        try:
            self._check(name, path, os.fstat(descriptor))
            data = os.read(descriptor, MAX_BYTES + 1)
        finally:
            os.close(descriptor)
        if len(data) > MAX_BYTES:
            raise self._fault(name, f"is longer than {MAX_BYTES} bytes")
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            raise self._fault(name, "is not a text in UTF-8") from None
        return text.removesuffix("\n").removesuffix("\r")

    def _check(self, name: str, path: Path, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            raise self._fault(name, "is not kept in a file")
        if os.name == "posix" and status.st_mode & _OTHERS:
            shown = self.folder / "NAME" if may_be_secret(name) else path
            raise SecretFault(
                f"{_called(name)} is kept in a file that others may read (mode {stat.S_IMODE(status.st_mode):o})",
                f"chmod 600 {shown}",
            )

    def _fault(self, name: str, what: str) -> SecretFault:
        shown = "NAME" if may_be_secret(name) else name
        way_out = f"set the environment variable {PREFIX}{shown}, or write it into {self.folder / shown} (mode 600)"
        return SecretFault(f"{_called(name)} {what}", way_out)


def _called(name: str) -> str:
    return "the secret (its name may be a secret itself, so it is not shown)" if may_be_secret(name) else name
