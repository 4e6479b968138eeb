"""The files of a job, brought from the server into the output folder under the rules that hold for runs here."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from nodeflow.client import Client
from nodeflow.core.errors import NodeflowError
from nodeflow.protocol.jobreport import JobFile
from nodeflow.protocol.report import RunReport
from nodeflow.storage.outputs import Outputs, Written

_NUMBERED: Final = re.compile(r"(?P<prefix>.+)_\d{5,}\.(?P<suffix>[^/]+)", re.DOTALL)


class FetchFailed(NodeflowError):
    """A file came otherwise than the server has it."""


@dataclass(frozen=True, slots=True)
class Fetching:
    """Fetches files of one job; each once.

    Attributes:
        outputs: The output folder of the run.
    """

    client: Client
    outputs: Outputs
    _written: dict[str, Written] = field(default_factory=dict[str, Written])

    def fetch(self, file: JobFile) -> Written:
        """The file here: as ``PREFIX_00001.SUFFIX`` with the next free number, or where it was already.

        Raises:
            FetchFailed: What came is not what the job has written.
            OutputFailed: It cannot be written.
        """
        if file.path not in self._written:
            parts = _NUMBERED.fullmatch(file.path)
            prefix, suffix = (parts["prefix"], parts["suffix"]) if parts else file.path.rsplit(".", 1)
            self._written[file.path] = self.outputs.save(prefix, suffix, self._pieces(file))
        return self._written[file.path]

    def content(self, file: JobFile) -> bytes:
        """The bytes of a file."""
        return b"".join(self._pieces(file))

    def here(self, report: RunReport) -> RunReport:
        """A report with the paths of the files that were fetched."""
        return report.model_copy(
            update={
                "saved": {node: self._paths(paths) for node, paths in report.saved.items()},
                "outputs": {
                    name: each.model_copy(update={"paths": self._paths(each.paths)})
                    for name, each in report.outputs.items()
                },
                "unchanged": sorted(map(str, self.outputs.unchanged)),
            }
        )

    def _paths(self, paths: list[str]) -> list[str]:
        return [str(self._written[path].path) for path in paths if path in self._written]

    def _pieces(self, file: JobFile) -> Iterator[bytes]:
        digest = hashlib.sha256()
        for piece in self.client.download(file.id):
            digest.update(piece)
            yield piece
        if digest.hexdigest() != file.sha256:
            raise FetchFailed(f"{file.path} came otherwise than the server has it; fetch it once more")


def paths_of(report: RunReport, apart: str | None) -> Iterator[str]:
    """The files of a run that belong into the output folder, as the server has them.

    Args:
        report: Of the run.
        apart: Name of a result that goes elsewhere, unless a node saved it.
    """
    for paths in report.saved.values():
        yield from paths
    for name, output in report.outputs.items():
        if name != apart:
            yield from output.paths
