"""A node's spec, read from its function: signature, hints and docstring."""

import inspect
import types
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NoReturn, get_type_hints

from nodeflow.core import names
from nodeflow.core.docstring import Docstring, read_docstring
from nodeflow.core.errors import PackFailed
from nodeflow.core.fields import NO_DEFAULT, read_input
from nodeflow.core.hints import UNREADABLE, Hint, HintError, check_result, read_hint
from nodeflow.core.node import NodeMark, node_mark
from nodeflow.core.rules import Rule
from nodeflow.core.run import Run
from nodeflow.core.spec import Form, Input, Kind, Output, Spec
from nodeflow.core.suggest import did_you_mean, listing
from nodeflow.core.types import Type
from nodeflow.core.whereabouts import whereabouts

_VARIADIC = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}


def read_spec(fn: Callable[..., Any], *, pack: str = "") -> Spec:
    """Read the spec of a function marked with ``@node`` or ``@expander``.

    Raises:
        PackFailed: In one line with file, function and parameter, when the signature says too little or too much.
    """
    mark = node_mark(fn)
    if mark is None:
        raise PackFailed(pack or _package(fn), f"{whereabouts(fn)}: is no node; put @node above it")
    return _Reader(fn, mark, pack or _package(fn)).spec()


class _Reader:
    """Reads one function; knows where it stands, so that every complaint can say so."""

    def __init__(self, fn: Callable[..., Any], mark: NodeMark, pack: str) -> None:
        self.fn = fn
        self.mark = mark
        self.pack = pack
        self.form = mark.form or (Form.ASYNC if inspect.iscoroutinefunction(fn) else Form.SYNC)

    def spec(self) -> Spec:
        hints = self.hints()
        docstring = read_docstring(self.fn.__doc__)
        parameters = list(inspect.signature(self.fn).parameters.values())
        known = {item.name for item in parameters}
        for name in docstring.entries:
            if name not in known:
                self.fail(name, "is described in the docstring, but there is no such parameter")
        injected = self.injected(parameters, hints)
        inputs = tuple(self.input(item, hints, docstring) for item in parameters if item.name not in injected)
        self.rules([item.name for item in inputs])
        outputs, multiple = self.outputs(hints, docstring)
        effect = not outputs and self.mark.kind is Kind.PURE
        return Spec(
            id=self.mark.id,
            version=self.mark.version,
            category=self.mark.category,
            title=self.mark.title or names.title(self.mark.id),
            help=docstring.help,
            inputs=inputs,
            outputs=outputs,
            kind=Kind.EFFECT if effect else self.mark.kind,
            form=self.form,
            lane=self.mark.lane,
            takes_run="run" in injected,
            checks=bool(self.mark.checks),
            multiple=multiple,
            implementation=f"{self.fn.__module__}:{self.fn.__qualname__}",
            pack=self.pack,
            scope=self.mark.scope,
            age=self.mark.age,
            concurrency=self.mark.concurrency,
            converts=self.mark.converts,
        )

    def hints(self) -> Mapping[str, Any]:
        """The hints, with names that stand in quotes looked up now."""
        try:
            return get_type_hints(self.fn, include_extras=True)
        except UNREADABLE as error:
            self.fail(self.unresolved(), f"its type cannot be read: {error}")

    def unresolved(self) -> str | None:
        """The first parameter whose hint cannot be looked up; None where Python looks up all or nothing."""
        fn = inspect.unwrap(self.fn)
        with suppress(*UNREADABLE):
            return next((name for name, hint in fn.__annotations__.items() if not _resolves(hint, fn)), None)
        return None

    def injected(self, parameters: list[inspect.Parameter], hints: Mapping[str, Any]) -> set[str]:
        """Names of the parameters that the engine fills in: the run, and the graph of an expander."""
        found: set[str] = set()
        if self.form is Form.EXPANDER:
            if inspect.iscoroutinefunction(self.fn):
                self.fail(None, "an expander only records and cannot be async")
            found |= {item.name for item in parameters[:1]}
        for item in parameters:
            if hints.get(item.name) is Run:
                if item.name != "run" or item.default is inspect.Parameter.empty:
                    self.fail(item.name, "write `*, run: Run = quiet`")
                found.add("run")
        return found

    def input(self, parameter: inspect.Parameter, hints: Mapping[str, Any], docstring: Docstring) -> Input:
        name = parameter.name
        if parameter.kind in _VARIADIC:
            self.fail(name, f"inputs are called by name, so {_VARIADIC[parameter.kind]}{name} cannot be one")
        if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
            self.fail(name, "inputs are called by name, so it cannot stand before /")
        if name not in hints:
            self.fail(name, "has no type")
        hint = self.read(name, hints[name])
        if hint.lazy and self.form is not Form.ASYNC:
            self.fail(name, "only an async node can await a Lazy input")
        if hint.ref and self.form is not Form.EXPANDER:
            self.fail(name, "only an expander has Ref inputs")
        default = NO_DEFAULT if parameter.default is inspect.Parameter.empty else parameter.default
        try:
            return read_input(name, hint, default, docstring.entries.get(name, ""))
        except HintError as error:
            self.fail(name, str(error))

    def rules(self, inputs: list[str]) -> None:
        """See that the rules look at inputs of the node; one that does not would never be tried."""
        for check in self.mark.checks:
            for name in Rule(check).names:
                if name not in inputs:
                    way_out = did_you_mean(name, inputs) or f"it has {listing(inputs)}"
                    reason = f"this rule looks at an input that {self.mark.id} does not have; {way_out}"
                    raise PackFailed(self.pack, f"{whereabouts(check, name)}: {reason}")

    def outputs(self, hints: Mapping[str, Any], docstring: Docstring) -> tuple[tuple[Output, ...], bool]:
        if "return" not in hints:
            self.fail("return", "has no type; an effect says -> None")
        result = hints["return"]
        if result is type(None):
            return (), False
        if is_named_tuple(result):
            return self.fields(result), True
        socket = self.result("return", result)
        return (Output(output_name(socket), socket, docstring.returns),), False

    def fields(self, result: type) -> tuple[Output, ...]:
        described = read_docstring(result.__doc__).entries
        try:
            hints = get_type_hints(result, include_extras=True)
        except UNREADABLE as error:
            self.fail("return", f"the fields of {result.__name__} cannot be read: {error}")
        return tuple(
            Output(name, self.result(f"return.{name}", hint), described.get(name, "")) for name, hint in hints.items()
        )

    def read(self, name: str, hint: Any) -> Hint:
        try:
            return read_hint(hint)
        except HintError as error:
            self.fail(name, str(error))

    def result(self, name: str, hint: Any) -> Type:
        try:
            check_result(hint)
        except HintError as error:
            self.fail(name, str(error))
        return self.read(name, hint).type

    def fail(self, parameter: str | None, reason: str) -> NoReturn:
        raise PackFailed(self.pack, f"{whereabouts(self.fn, parameter)}: {reason}") from None


def is_named_tuple(hint: object) -> bool:
    """Whether a hint is a NamedTuple class, whose fields are outputs."""
    return isinstance(hint, type) and tuple in hint.__bases__ and "_fields" in vars(hint)


def output_name(type: Type) -> str:
    """The name of an output that has no other."""
    match type.name:
        case "optional":
            return output_name(type.args[0])
        case "list":
            inner = output_name(type.args[0])
            return inner if inner == "out" else names.plural(inner)
        case "any" | "union":
            return "out"
        case name:
            return "out" if name.startswith("$") else names.socket_name(name)


def _resolves(hint: Any, fn: Callable[..., Any]) -> bool:
    lone = types.SimpleNamespace(__annotations__={"value": hint})
    try:
        get_type_hints(lone, globalns=getattr(fn, "__globals__", {}))
    except UNREADABLE:
        return False
    return True


def _package(fn: Callable[..., Any]) -> str:
    return str(getattr(fn, "__module__", "")).partition(".")[0]
