"""Everything that can go wrong, as one hierarchy with one clear line per problem."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a document, precise enough to be acted on.

    Attributes:
        code: Stable name of the kind of problem, such as ``number.range``; listed in ``nodeflow.core.validate.CODES``.
        message: What is wrong, in one sentence, without node or input.
        node: Id of the node, or None when the document as a whole is meant.
        input: Name of the node's input, or None.
        found: What stands there, shortened for reading.
        expected: What would be accepted.
        hint: The way out: the nearest valid value, the folder expected, the command to run.
        severity: An ``error`` stops the run; a ``warning`` does so only with ``--strict``.
        type: Type id of the node, for the message.
    """

    code: str
    message: str
    node: str | None = None
    input: str | None = None
    found: str | None = None
    expected: str | None = None
    hint: str | None = None
    severity: Severity = "error"
    type: str | None = None

    def __str__(self) -> str:
        where = " · ".join(part for part in (self._node_label(), self.input) if part)
        tail = "".join(
            f"; {label} {text}"
            for label, text in (("found", self.found), ("expected", self.expected))
            if text is not None
        )
        hint = f" → {self.hint}" if self.hint else ""
        return f"{where + ': ' if where else ''}{self.message}{tail}{hint} [{self.code}]"

    def _node_label(self) -> str | None:
        if self.node is None:
            return None
        return f'{self.type} "{self.node}"' if self.type else f'node "{self.node}"'


class NodeflowError(Exception):
    """Root of every error that nodeflow raises on purpose.

    ``exit_code`` is what the shell ends with (see the table in README.md).
    """

    exit_code: ClassVar[int] = 5


class UsageError(NodeflowError):
    """The caller asked for something that makes no sense, such as an unknown option value."""

    exit_code = 2


class InvalidDocument(NodeflowError):
    """A document that cannot run; ``problems`` holds all of them, not only the first."""

    exit_code = 3

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class MissingFile(InvalidDocument):
    """A document that is well-formed but needs a model or an input file that is not here."""

    exit_code = 4


_NOT_HERE = frozenset({"file.missing", "secret.missing"})


def refusal(problems: Iterable[Problem]) -> InvalidDocument:
    """The error for a document with these problems: ``MissingFile`` when only files and secrets are not here."""
    told = tuple(problems)
    errors = [problem for problem in told if problem.severity == "error"] or told
    return (MissingFile if all(problem.code in _NOT_HERE for problem in errors) else InvalidDocument)(told)


class InputError(NodeflowError):
    """Raised by a node about one of its own inputs: ``InputError("width", "must be a multiple of 8; try 512")``."""

    def __init__(self, input: str, message: str) -> None:
        self.input = input
        self.message = message
        super().__init__(f"{input}: {message}")


class Retry(NodeflowError):
    """Raised by a node whose outside world asks for patience: the same call is made again, with the same token.

    Args:
        after: Seconds to wait before.
        reason: Shown while waiting, and as the failure when no further try is left.
    """

    def __init__(self, after: float, reason: str = "") -> None:
        self.after = after
        self.reason = reason
        super().__init__(reason or f"asked to try again after {after:g} s")


class NodeFailed(NodeflowError):
    """A node raised; ``traceback`` is set when the fault is the node's and not the user's."""

    def __init__(
        self, node: str, type: str, message: str, *, input: str | None = None, traceback: str | None = None
    ) -> None:
        self.node = node
        self.type = type
        self.message = message
        self.input = input
        self.traceback = traceback
        where = f'{type} "{node}"' + (f" · {input}" if input else "")
        super().__init__(f"{where}: {message}")


class RecordedWrongly(NodeflowError):
    """What an expander recorded cannot run.

    Args:
        problem: The first one, at a recorded node.
        others: How many more there are.
    """

    def __init__(self, problem: Problem, others: int = 0) -> None:
        self.problem = problem
        self.others = others
        super().__init__(self.told(""))

    def told(self, stem: str) -> str:
        """What is wrong, for recorded nodes that are called after the expander.

        Args:
            stem: What their ids begin with.
        """
        recorded = self.problem.node
        used = (self.problem.type or "").startswith("graph:")
        there = replace(self.problem, node=recorded and f"{stem}{recorded}", type=None if used else self.problem.type)
        return f"what it makes cannot run: {there}" + (f" (and {self.others} more)" if self.others else "")


class OutOfMemory(NodeFailed):
    """A node asked for more memory than there is, also after everything evictable was evicted."""

    exit_code = 6


class NodeUnusable(NodeFailed):
    """The code of a node, or something of a pack that it asked for, cannot be imported; the pack is to blame."""

    exit_code = 7


class PackFailed(NodeflowError):
    """A pack that could not be imported, or that claims an id another pack has."""

    exit_code = 7

    def __init__(self, pack: str, reason: str) -> None:
        self.pack = pack
        self.reason = reason
        super().__init__(f"pack {pack}: {reason}")


class Cancelled(NodeflowError):
    """The run was cancelled between two steps."""

    exit_code = 130
