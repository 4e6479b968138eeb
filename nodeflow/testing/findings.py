"""What a check of a pack may find, each kind under a stable code."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

Severity = Literal["error", "note"]

SECONDS: Final = 30.0
"""How long an import, or one run of a node, may take before it counts as hanging."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of finding.

    Attributes:
        title: What is wrong, in a few words.
        severity: A ``note`` is told but fails nothing.
    """

    title: str
    severity: Severity = "error"


RULES: Final[Mapping[str, Rule]] = {
    "code.dynamic": Rule("text is run as code"),
    "code.pickle": Rule("reading a file or a message may run code"),
    "code.shell": Rule("a shell is called"),
    "docs.input": Rule("an input is not described"),
    "docs.node": Rule("a node is not described"),
    "example.fails": Rule("an example of the author's cannot be used"),
    "file.read": Rule("a node reads a file that no input names"),
    "file.write": Rule("a file is written past the engine"),
    "id.prefix": Rule("an id does not start with the name of its pack"),
    "id.taken": Rule("a name is claimed by an installed pack too"),
    "id.twice": Rule("an id is used twice in the pack"),
    "import.fails": Rule("a module cannot be imported"),
    "import.heavy": Rule("a large library is imported before any node needs it"),
    "import.network": Rule("importing the pack opens a connection"),
    "import.print": Rule("importing the pack prints to standard output"),
    "import.slow": Rule("importing the pack takes too long"),
    "input.default": Rule("a default is refused by its own input"),
    "input.mutated": Rule("a node changes its input"),
    "node.crashed": Rule("a node ends its process"),
    "node.fails": Rule("a node fails on inputs that its author gives"),
    "node.hangs": Rule("a node does not come back"),
    "node.network": Rule("a pure node opens a connection"),
    "node.not_run": Rule("a node could not be tried", "note"),
    "node.prints": Rule("a node prints to standard output"),
    "node.random": Rule("the same inputs give different results"),
    "node.unreadable": Rule("a node cannot be read"),
    "pack.requires": Rule("a pack that is required is not here, or of another version"),
    "result.count": Rule("a node returns another number of values than it declares"),
    "result.type": Rule("a node returns a value of another type than it declares"),
    "rule.fails": Rule("a rule of a node crashes"),
    "snapshot.missing": Rule("there is no spec.json to compare with"),
    "snapshot.old": Rule("spec.json does not tell what the code says", "note"),
    "spec.changed": Rule("saved documents no longer fit a node"),
    "spec.migration": Rule("documents of an older version cannot be opened"),
    "value.codec": Rule("a value does not survive being kept on disk"),
    "value.nbytes": Rule("the size of a value is not known"),
}
"""Every code there is."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found in a pack.

    Attributes:
        code: A key of ``RULES``.
        node: Type id of the node; empty when the pack as a whole is meant.
        message: What was found, in one sentence.
        way_out: What to do about it.
        file: Where in the sources, as far as that is known.
        line: Counts from 1; 0 when it is not known.
    """

    code: str
    node: str
    message: str
    way_out: str
    file: str = ""
    line: int = 0

    @property
    def severity(self) -> Severity:
        """An ``error`` fails the check, a ``note`` does not."""
        return RULES[self.code].severity

    @property
    def place(self) -> str:
        """File and line, as an editor opens them; empty when they are not known."""
        return f"{self.file}:{self.line}" if self.line else self.file

    def __str__(self) -> str:
        head = ": ".join(part for part in (self.place, self.node, self.message) if part)
        return f"{head} → {self.way_out} [{self.code}]"


def hangs(node: str, seconds: float, place: tuple[str, int]) -> Finding:
    """The finding of a node that did not come back in time."""
    way_out = "give an example that is quick, or find what it waits for"
    return Finding("node.hangs", node, f"the node did not come back within {seconds:g} s", way_out, *place)


def errors(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Those that fail a check."""
    return tuple(finding for finding in findings if finding.severity == "error")
