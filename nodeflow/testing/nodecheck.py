"""One node tried on examples: does it keep the rules that every node obeys?"""

import re
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

from nodeflow.core.errors import NodeflowError
from nodeflow.core.raised import told
from nodeflow.core.spec import Kind, Spec
from nodeflow.core.suggest import did_you_mean, listing
from nodeflow.testing.bench import Bench, bench, registry_for
from nodeflow.testing.chance import disturbed
from nodeflow.testing.declared import spec_findings
from nodeflow.testing.examples import Example, Maker, Unmakeable
from nodeflow.testing.findings import SECONDS, Finding, hangs
from nodeflow.testing.fingerprints import fingerprint
from nodeflow.testing.results import codec_findings, declared_size_findings, output_hints, size_findings, type_findings
from nodeflow.testing.running import NodeRun, run_spec
from nodeflow.testing.sources import Place
from nodeflow.testing.verdicts import changed_input, example_fault, failed, not_run, undeclared, unsteady, untried_rules
from nodeflow.testing.watching import Seen, Watch

Give = Callable[[], Mapping[str, object]]

_REPEATS = 4
_ENOUGH_SECONDS = 1.0
_BUDGET_SECONDS = 5.0
"""Once a node took so long, no further example is made up for it."""
_QUOTED = re.compile(r'"(\w+)"')


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
        return [*found, hangs(spec.id, seconds, place)]
    outcome = answer.get()
    if isinstance(outcome, BaseException):
        raise outcome
    return [*found, *outcome]


def place_of(fn: Callable[..., Any]) -> Place:
    """File and line of a function."""
    code = unwrap(fn).__code__
    return code.co_filename, code.co_firstlineno


def _unheard(spec: Spec) -> None:
    """Nobody wants to know when a run begins."""


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
    begin: Callable[[Spec], object] = _unheard

    def findings(self, spec: Spec, fn: Callable[..., Any], given: Sequence[Give] = ()) -> list[Finding]:
        """All that is found out about one node by running it.

        Args:
            given: What gives the author's examples.
        """
        place = place_of(fn)
        hints = output_hints(fn, spec)
        asked = [_asked(spec, give, place) for give in given]
        broken = [item for item in asked if isinstance(item, Finding)]
        usable = [item for item in asked if not isinstance(item, Finding)]
        if broken and not usable:
            return [*broken, *declared_size_findings(spec, hints, place)]
        try:
            examples = self.maker.examples(spec, usable)
        except Unmakeable as missing:
            return [not_run(spec, str(missing), place), *declared_size_findings(spec, hints, place)]
        found: dict[tuple[str, str, str, int], Finding] = {}
        started = monotonic()
        for example in examples:
            if example.varied and monotonic() - started > _BUDGET_SECONDS:
                break
            for finding in self._tried(spec, hints, example, place):
                found.setdefault((finding.code, _subject(finding.message), finding.file, finding.line), finding)
        return [*broken, *found.values()]

    def _tried(self, spec: Spec, hints: Mapping[str, Any], example: Example, place: Place) -> Iterator[Finding]:
        before = {name: fingerprint(value) for name, value in example.inputs.items()}
        runs: list[NodeRun[Any]] = []
        with self._watching(example) as seen:
            failure = self._run(spec, example, before, runs)
        yield from undeclared(spec, seen, place)
        if failure is not None:
            offline = any(item.kind == "network" for item in seen)
            yield from failed(spec, failure, example, place, offline=offline)
        for name in changed(before, example.inputs):
            yield changed_input(spec, name, place)
        if runs:
            yield from untried_rules(spec, runs[0], place)
            wrong = list(type_findings(spec, hints, runs[0].outputs, place))
            yield from wrong
            if wrong:
                return
            yield from size_findings(spec, runs[0].outputs, place)
            yield from codec_findings(spec, runs[0].outputs, self.session.workplace.registry.codec, place)
            yield from unsteady(spec, runs, place)
            for output in spec.outputs:
                self.maker.pool.setdefault(output.type.name, runs[0].outputs[output.name])

    def _run(
        self, spec: Spec, example: Example, before: Mapping[str, str], runs: list[NodeRun[Any]]
    ) -> NodeflowError | None:
        """Run a pure node several times, with other things drawn in between; what failed, if it did."""
        started = monotonic()
        with disturbed() as disturb:
            while len(runs) < _REPEATS and (len(runs) < 2 or monotonic() - started < _ENOUGH_SECONDS):
                self.begin(spec)
                disturb(len(runs))
                try:
                    runs.append(run_spec(self.session, spec, example.inputs))
                except NodeflowError as error:
                    return error
                if spec.kind is not Kind.PURE or changed(before, example.inputs):
                    break
        return None

    def _watching(self, example: Example) -> AbstractContextManager[Sequence[Seen]]:
        if self.watch is None:
            return nullcontext(())
        self.watch.allowed.update(value.absolute() for value in example.inputs.values() if isinstance(value, Path))
        return self.watch.during()


def _subject(message: str) -> str:
    """What a message names in quotes, such as an input; two findings about one thing are one."""
    return "".join(_QUOTED.findall(message)[:1])


def _same(inputs: Mapping[str, object]) -> Mapping[str, object]:
    return inputs


def _asked(spec: Spec, give: Give, place: Place) -> Mapping[str, object] | Finding:
    """The inputs that an example of the author's gives, or what is wrong with it."""
    try:
        inputs = give()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the author's example may do anything
        return example_fault(spec.id, give, f"raised {told(error)}", "mend it", place)
    if not isinstance(inputs, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        return example_fault(spec.id, give, f"returned {type(inputs).__name__}", "return a dict of inputs", place)
    for name in inputs:
        if spec.input(name) is None:
            hint = did_you_mean(name, spec.input_names) or f"it has {listing(sorted(spec.input_names))}"
            return example_fault(spec.id, give, f'gives "{name}", which is no input of the node', hint, place)
    return inputs


def changed(before: Mapping[str, str], inputs: Mapping[str, object]) -> list[str]:
    """Names of inputs that are no longer what they were."""
    return [name for name, known in before.items() if fingerprint(inputs[name]) != known]
