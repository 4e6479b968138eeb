"""What was seen of a run, judged: a fault of the node, a refusal that is its right, or an example not good enough."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from inspect import unwrap
from pathlib import Path
from typing import Any, Final

from nodeflow.core.errors import InvalidDocument, NodeFailed, NodeflowError
from nodeflow.core.spec import Kind, Spec
from nodeflow.testing.examples import Example
from nodeflow.testing.findings import Finding
from nodeflow.testing.fingerprints import fingerprint
from nodeflow.testing.running import NodeRun
from nodeflow.testing.sources import NOWHERE, Place
from nodeflow.testing.watching import Seen

_COUNT: Final = re.compile(r"returned \d+ values, but declares \d+")
_CHANGED: Final = "changed by the node"
_FRAME: Final = re.compile(r'File "([^"]+)", line (\d+)')
_SHOWN: Final = 40
_MISSPELT: Final = ("NameError:", "UnboundLocalError:")
"""What no inputs are to blame for."""

_SEEN: Final = {
    "print": ("node.prints", "it prints {}", "use run.show or run.warn; standard output is for results"),
    "read": ("file.read", "it reads {}", "declare a ModelFile or an ImageFile, so that a change of it is noticed"),
    "write": ("file.write", "it writes {}", "write with run.save in an effect, or into a temporary folder"),
    "network": ("node.network", "it opens a connection to {}", "declare kind=Kind.EXTERNAL"),
}
_OUTSIDE: Final = frozenset({Kind.EXTERNAL, Kind.EFFECT})
_RIGHTS: Final[Mapping[str, frozenset[Kind]]] = {"read": _OUTSIDE, "network": _OUTSIDE}
"""What kinds of nodes may do."""


def not_run(spec: Spec, reason: str, place: Place) -> Finding:
    """The note about a node that could not be tried."""
    way_out = f'give an example: @example("{spec.id}") in tests/examples.py'
    return Finding("node.not_run", spec.id, f"not run: {reason}", way_out, *place)


def example_fault(node: str, give: Callable[[], object], message: str, way_out: str, place: Place = NOWHERE) -> Finding:
    """The finding of an example that cannot be used, at the place of its function, else at ``place``."""
    name = getattr(give, "__name__", "")
    code = getattr(unwrap(give), "__code__", None)
    where = place if code is None else (code.co_filename, code.co_firstlineno)
    return Finding("example.fails", node, f"the example {name} {message}".replace("  ", " "), way_out, *where)


def changed_input(spec: Spec, name: str, place: Place) -> Finding:
    """The finding of a node that writes into what others hold too."""
    way_out = "make a copy first: value.clone(), list(values), copy.deepcopy(value)"
    return Finding("input.mutated", spec.id, f'the node changes its input "{name}"', way_out, *place)


def undeclared(spec: Spec, seen: Sequence[Seen], place: Place) -> Iterator[Finding]:
    """What a node did behind the engine's back."""
    for item in seen:
        if spec.kind not in _RIGHTS.get(item.kind, ()):
            code, message, way_out = _SEEN[item.kind]
            where = (item.file, item.line) if item.file else place
            yield Finding(code, spec.id, message.format(item.what), way_out, *where)


def unsteady(spec: Spec, runs: Sequence[NodeRun[Any]], place: Place) -> Iterator[Finding]:
    """Outputs that differ between runs on the same inputs."""
    for output in spec.outputs:
        if len({fingerprint(run.outputs[output.name]) for run in runs}) > 1:
            message = f'the same inputs gave different values of "{output.name}"'
            way_out = "draw from a generator of your own, made from an input `seed: Seed`; use no time and no new id"
            yield Finding("node.random", spec.id, message, way_out, *place)


def untried_rules(spec: Spec, run: NodeRun[Any], place: Place) -> Iterator[Finding]:
    """Rules of the node that crash instead of saying whether its inputs go together."""
    for problem in run.doubts:
        if problem.code == "pack.failed":
            message = f"{problem.message}: {problem.hint}"
            yield Finding("rule.fails", spec.id, message, "raise InputError for what does not go together", *place)


def failed(spec: Spec, error: NodeflowError, example: Example, place: Place, *, offline: bool) -> Iterator[Finding]:
    """What a failure means.

    Args:
        offline: The node asked the network, which it was refused.
    """
    node = error if isinstance(error, NodeFailed) else None
    trace = node.traceback if node is not None else None
    text = node.message if node is not None else str(error).splitlines()[0]
    refused = trace is None and example.varied
    if _COUNT.search(text):
        message = f"the node {text.partition(': ')[2]}"
        yield Finding("result.count", spec.id, message, "return one value for each field", *place)
    elif node is not None and node.input and text.startswith(_CHANGED):
        yield changed_input(spec, node.input, place)
    elif offline and spec.kind in _OUTSIDE:
        yield not_run(spec, "it asks the network, which is shut off while a pack is checked", place)
    elif offline or refused:
        return
    elif _is_excused(spec, error, example):
        yield not_run(spec, text, _innermost(trace, place))
    else:
        way_out = "raise InputError for what it cannot take, narrow the input's range, or mend it"
        shown = ", ".join(f"{name}={_short(value)}" for name, value in example.inputs.items()) or "its defaults"
        message = f"the node fails on {shown}: {text}"
        yield Finding("node.fails", spec.id, message, way_out, *_innermost(trace, place))


def _is_excused(spec: Spec, error: NodeflowError, example: Example) -> bool:
    """Whether the example may be to blame: it was not the author's, and the node cannot be expected to take it."""
    if isinstance(error, NodeFailed) and error.message.startswith(_MISSPELT):
        return False
    return not example.given and (example.invented or spec.kind is Kind.EXTERNAL or isinstance(error, InvalidDocument))


def _innermost(trace: str | None, place: Place) -> Place:
    """The last line of a traceback that lies in the folder of the node's file."""
    frames = [(file, int(line)) for file, line in _FRAME.findall(trace or "")]
    folder = str(Path(place[0]).parent)
    return next((frame for frame in reversed(frames) if frame[0].startswith(folder)), place)


def _short(value: object) -> str:
    text = repr(value) if isinstance(value, str | int | float | bool | None) else type(value).__name__
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
