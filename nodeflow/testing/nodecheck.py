"""One node tried on examples: does it keep the rules that every node obeys?"""

import random
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from inspect import unwrap
from pathlib import Path
from queue import Queue
from threading import Thread
from time import monotonic
from typing import Any

from nodeflow.core.errors import InvalidDocument, NodeFailed, NodeflowError
from nodeflow.core.spec import Kind, Spec
from nodeflow.testing.bench import Bench, bench, registry_for
from nodeflow.testing.declared import spec_findings
from nodeflow.testing.examples import Example, Maker, Unmakeable
from nodeflow.testing.findings import Finding
from nodeflow.testing.fingerprints import fingerprint
from nodeflow.testing.results import codec_findings, declared_size_findings, output_hints, size_findings, type_findings
from nodeflow.testing.running import NodeRun, run_spec
from nodeflow.testing.sources import Place
from nodeflow.testing.watching import Seen, Watch

Give = Callable[[], Mapping[str, object]]

SECONDS = 30.0
"""How long one run of a node may take."""

_REPEATS = 4
_ENOUGH_SECONDS = 1.0
_BUDGET_SECONDS = 5.0
"""Once a node took so long, no further example is made up for it."""
_LENGTH = re.compile(r"returned \d+ values, but declares \d+")
_QUOTED = re.compile(r'"(\w+)"')
_FRAME = re.compile(r'File "([^"]+)", line (\d+)')
_CHANGED = "changed by the node"


def check_node(fn: Callable[..., Any], /, *examples: Mapping[str, object], seconds: float = SECONDS) -> list[Finding]:
    """What is wrong with one node: its docs and defaults, and how it behaves on examples.

    Files and connections that a node opens by itself are found by ``check_pack`` only, which runs the node in a
    process of its own.

    Args:
        fn: A function marked with ``@node`` or ``@expander``.
        examples: Inputs to try; made from the spec where none is given.
        seconds: How long it may take.
    """
    registry = registry_for([fn])
    spec = registry.add_node(fn)
    place = place_of(fn)
    found = list(spec_findings(spec, place, registry.choices))
    answer: Queue[list[Finding] | BaseException] = Queue()

    def work() -> None:
        try:
            with bench(registry) as session:
                maker = Maker(registry.choices, session.picture)
                answer.put(Trial(session, maker).findings(spec, fn, [partial(_same, each) for each in examples]))
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits
            answer.put(error)

    thread = Thread(target=work, name="nodeflow-check", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        return [*found, hangs(spec, seconds, place)]
    outcome = answer.get()
    if isinstance(outcome, BaseException):
        raise outcome
    return [*found, *outcome]


def hangs(spec: Spec, seconds: float, place: Place) -> Finding:
    """The finding of a node that does not come back."""
    way_out = "give an example that is quick, or find what it waits for"
    return Finding("node.hangs", spec.id, f"the node did not come back within {seconds:g} s", way_out, *place)


def not_run(spec: Spec, reason: str, place: Place) -> Finding:
    """The note about a node that could not be tried."""
    way_out = f'give an example: @example("{spec.id}") in tests/examples.py'
    return Finding("node.not_run", spec.id, f"not run: {reason}", way_out, *place)


def place_of(fn: Callable[..., Any]) -> Place:
    """File and line of a function."""
    code = unwrap(fn).__code__
    return code.co_filename, code.co_firstlineno


@dataclass(frozen=True, slots=True)
class Trial:
    """Tries nodes on one bench.

    Attributes:
        maker: Makes examples; the values that nodes give become examples for those below.
        watch: Notes prints, files and connections, in a process made for it.
        begin: Told before every run.
    """

    session: Bench
    maker: Maker
    watch: Watch | None = None
    begin: Callable[[Spec], object] = id

    def findings(self, spec: Spec, fn: Callable[..., Any], given: Sequence[Give] = ()) -> list[Finding]:
        """All that is found out about one node by running it.

        Args:
            given: What gives the author's examples.
        """
        place = place_of(fn)
        hints = output_hints(fn, spec)
        try:
            examples = self.maker.examples(spec, [give() for give in given])
        except Unmakeable as missing:
            return [not_run(spec, str(missing), place), *declared_size_findings(spec, hints, place)]
        except Exception as error:  # noqa: BLE001 - the author's example may do anything
            message = f"the example of the node raised {type(error).__name__}: {error}"
            return [Finding("example.fails", spec.id, message, "mend it; it is called as it stands", *place)]
        found: dict[tuple[str, str, str, int], Finding] = {}
        started = monotonic()
        for example in examples:
            if example.varied and monotonic() - started > _BUDGET_SECONDS:
                break
            for finding in self._tried(spec, hints, example, place):
                found.setdefault((finding.code, _subject(finding.message), finding.file, finding.line), finding)
        return list(found.values())

    def _tried(self, spec: Spec, hints: Mapping[str, Any], example: Example, place: Place) -> Iterator[Finding]:
        before = {name: fingerprint(value) for name, value in example.inputs.items()}
        runs: list[NodeRun[Any]] = []
        with self._watching(example) as seen:
            failure = self._run(spec, example, before, runs)
        yield from _watched(spec, seen, place)
        if failure is not None:
            offline = any(item.kind == "network" for item in seen)
            yield from _failed(spec, failure, example, place, offline)
        for name in changed(before, example.inputs):
            yield _mutated(spec, name, place)
        if runs:
            wrong = list(type_findings(spec, hints, runs[0].outputs, place))
            yield from wrong
            if wrong:
                return
            yield from size_findings(spec, runs[0].outputs, place)
            yield from codec_findings(spec, runs[0].outputs, self.session.workplace.registry.codec, place)
            yield from _random(spec, runs, place)
            for output in spec.outputs:
                self.maker.pool.setdefault(output.type.name, runs[0].outputs[output.name])

    def _run(
        self, spec: Spec, example: Example, before: Mapping[str, str], runs: list[NodeRun[Any]]
    ) -> NodeflowError | None:
        """Run a pure node several times, with other things drawn in between; what failed, if it did."""
        started = monotonic()
        try:
            while len(runs) < _REPEATS and (len(runs) < 2 or monotonic() - started < _ENOUGH_SECONDS):
                self.begin(spec)
                disturb(len(runs))
                runs.append(run_spec(self.session, spec, example.inputs))
                if spec.kind is not Kind.PURE or changed(before, example.inputs):
                    break
        except NodeflowError as error:
            return error
        return None

    def _watching(self, example: Example) -> AbstractContextManager[Sequence[Seen]]:
        if self.watch is None:
            return nullcontext(())
        self.watch.allowed.update(value.absolute() for value in example.inputs.values() if isinstance(value, Path))
        return self.watch.during()


def _random(spec: Spec, runs: Sequence[NodeRun[Any]], place: Place) -> Iterator[Finding]:
    for output in spec.outputs:
        if len({fingerprint(run.outputs[output.name]) for run in runs}) > 1:
            message = f'the same inputs gave different values of "{output.name}"'
            way_out = "draw from a generator of your own, made from an input `seed: Seed`; use no time and no new id"
            yield Finding("node.random", spec.id, message, way_out, *place)


def _subject(message: str) -> str:
    """What a message names in quotes, such as an input; two findings about one thing are one."""
    return "".join(_QUOTED.findall(message)[:1])


def _same(inputs: Mapping[str, object]) -> Mapping[str, object]:
    return inputs


def changed(before: Mapping[str, str], inputs: Mapping[str, object]) -> list[str]:
    """Names of inputs that are no longer what they were."""
    return [name for name, known in before.items() if fingerprint(inputs[name]) != known]


def disturb(turn: int) -> None:
    """Put the global generators into another state, as whatever ran before would have."""
    random.seed(turn + 1)
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if numpy is not None:
        numpy.random.seed(turn + 1)
    if torch is not None:
        torch.manual_seed(turn + 1)


_SEEN = {
    "print": ("node.prints", "it prints {what}", "use run.show or run.warn; standard output is for results"),
    "read": ("file.read", "it reads {what}", "declare a ModelFile or an ImageFile, so that a change of it is noticed"),
    "write": ("file.write", "it writes {what}", "write with run.save in an effect, or into a temporary folder"),
    "network": ("node.network", "it opens a connection to {what}", "declare kind=Kind.EXTERNAL"),
}
_RIGHTS = {"read": (Kind.EXTERNAL, Kind.EFFECT), "network": (Kind.EXTERNAL, Kind.EFFECT)}


def _watched(spec: Spec, seen: Sequence[Seen], place: Place) -> Iterator[Finding]:
    for item in seen:
        if spec.kind not in _RIGHTS.get(item.kind, ()):
            code, message, way_out = _SEEN[item.kind]
            where = (item.file, item.line) if item.file else place
            yield Finding(
                code,
                spec.id,
                message.format(what=item.what),
                way_out,
                *where,
            )


def _failed(spec: Spec, error: NodeflowError, example: Example, place: Place, offline: bool) -> Iterator[Finding]:
    """What a failure means: a fault, a refusal that is the node's right, or an example that was not good enough."""
    trace = error.traceback if isinstance(error, NodeFailed) else None
    text = error.message if isinstance(error, NodeFailed) else str(error).splitlines()[0]
    where = _innermost(trace, place)
    if _LENGTH.search(text):
        message = f"the node {text.partition(': ')[2]}"
        yield Finding("result.count", spec.id, message, "return one value for each field", *place)
    elif isinstance(error, NodeFailed) and error.input and text.startswith(_CHANGED):
        yield _mutated(spec, error.input, place)
    elif offline:
        if spec.kind is Kind.EXTERNAL:
            yield not_run(spec, "it asks the network, which is shut off while a pack is checked", place)
    elif trace is None and example.varied:
        return
    elif example.invented or spec.kind is Kind.EXTERNAL or isinstance(error, InvalidDocument):
        yield not_run(spec, text, where)
    else:
        way_out = "raise InputError for what it cannot take, narrow the input's range, or mend it"
        shown = ", ".join(f"{name}={_short(value)}" for name, value in example.inputs.items()) or "its defaults"
        yield Finding("node.fails", spec.id, f"the node fails on {shown}: {text}", way_out, *where)


def _mutated(spec: Spec, name: str, place: Place) -> Finding:
    way_out = "make a copy first: value.clone(), list(values), copy.deepcopy(value)"
    return Finding("input.mutated", spec.id, f'the node changes its input "{name}"', way_out, *place)


def _innermost(trace: str | None, place: Place) -> Place:
    """The last line of a traceback that lies in the folder of the node's file."""
    frames = [(file, int(line)) for file, line in _FRAME.findall(trace or "")]
    folder = str(Path(place[0]).parent)
    return next((frame for frame in reversed(frames) if frame[0].startswith(folder)), place)


def _short(value: object) -> str:
    text = repr(value) if isinstance(value, str | int | float | bool | None) else type(value).__name__
    return text if len(text) <= 40 else f"{text[:39]}…"
