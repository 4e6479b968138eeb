"""The inputs of one node, read against its spec: literals parsed, links taken apart, everything wrong written down."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from nodeflow.core.canonical import quote, record_text
from nodeflow.core.drawing import DrawTrial
from nodeflow.core.errors import InputError, PackFailed, Problem
from nodeflow.core.files import FileCheck
from nodeflow.core.json import JsonValue
from nodeflow.core.literals import read_literal
from nodeflow.core.spec import Input, Spec
from nodeflow.core.specs import Specs
from nodeflow.core.suggest import did_you_mean, listing, shorten
from nodeflow.core.types import Type, is_generic
from nodeflow.core.unfit import Unfit
from nodeflow.core.workflow import Node

FILE_WIDGETS: Final = frozenset({"model_file", "image_file"})
"""Widgets whose literal is the name of a file."""

_NESTED: Final = frozenset({"link", "draw"})


class Form:
    """A spec made ready for reading many nodes of its type."""

    def __init__(self, spec: Spec, specs: Specs) -> None:
        self.spec = spec
        self.inputs: Mapping[str, Input] = {item.name: item for item in spec.inputs}
        self.required = [item.name for item in spec.inputs if item.required]
        self.defaults: Mapping[str, JsonValue] = {item.name: item.default for item in spec.inputs if not item.required}
        self.names = sorted(self.inputs)
        self.prefixes = {name: f"{quote(name)}:" for name in self.names}
        self.default_texts = {name: record_text(value) for name, value in self.defaults.items()}
        self.outputs: Mapping[str, Type] = {item.name: item.type for item in spec.outputs}
        self.generic = any(map(is_generic, [*(item.type for item in spec.inputs), *self.outputs.values()]))
        self._specs = specs
        self._choices: dict[str, Sequence[JsonValue] | None] = {}

    def choices(self, input: Input) -> Sequence[JsonValue] | None:
        """The values that an input may have, closed or open; None when it is no choice."""
        if input.open_choices is None:
            return input.choices
        if input.name not in self._choices:
            self._choices[input.name] = tuple(self._specs.choices(input.open_choices))
        return self._choices[input.name]


@dataclass(slots=True)
class Draft:
    """A node whose inputs are read and whose links are not yet followed.

    Attributes:
        links: Input to (node id, output name).
        drawn: Inputs whose literal is one of those that their draw may give.
    """

    id: str
    form: Form
    literals: dict[str, JsonValue]
    record: bytes = b""
    links: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    drawn: list[str] = field(default_factory=list[str])


class InputReader:
    """Reads nodes one after another and collects what is wrong with them."""

    def __init__(self, files: FileCheck, draws: DrawTrial, problems: list[Problem]) -> None:
        self.files = files
        self.draws = draws
        self.problems = problems

    def read(self, id: str, node: Node, form: Form, fed: Mapping[str, str]) -> Draft:
        """Read one node.

        Args:
            id: Its id, for messages.
            node: What the document says.
            form: The spec of its type.
            fed: Inputs that the interface feeds, with the name under which it does.
        """
        draft = Draft(id, form, dict(form.defaults))
        texts: dict[str, str] = {}
        for name, value in node.inputs.items():
            input = form.inputs.get(name)
            if input is None:
                self._unknown(draft, name)
            elif isinstance(value, dict):
                self._object(draft, input, value, texts)
            elif isinstance(value, list) and _holds_link(value):
                message = "links and draws inside lists are not supported yet"
                self.say(draft, name, "unsupported.nested_link", message, value)
            else:
                self._literal(draft, input, value, texts)
        for name in form.required:
            if name not in node.inputs:
                self._missing(draft, name, fed.get(name))
        draft.record = _record(draft, texts)
        return draft

    def say(
        self,
        draft: Draft,
        input: str | None,
        code: str,
        message: str,
        found: object = None,
        expected: str | None = None,
        hint: str | None = None,
    ) -> None:
        """Write down what is wrong with an input."""
        found_text = None if found is None else shorten(found)
        self.problems.append(
            Problem(code, message, draft.id, input, found_text, expected, hint, type=draft.form.spec.id)
        )

    def _object(self, draft: Draft, input: Input, value: dict[str, JsonValue], texts: dict[str, str]) -> None:
        match value:
            case {"link": str() as link} if len(value) == 1:
                source, dot, output = link.partition(".")
                if dot and source and output:
                    draft.links[input.name] = (source, output)
                    draft.literals.pop(input.name, None)
                else:
                    self.say(draft, input.name, "link.malformed", "a link names an output", link, '"node.output"')
            case {"value": literal} if len(value) == 1:
                self._literal(draft, input, literal, texts)
            case {"draw": _}:
                self._draw(draft, input, value, texts)
            case {"link": _}:
                self.say(draft, input.name, "link.malformed", "this is no link", value, '{"link": "node.output"}')
            case _:
                message = "an object is a link, a draw or an escaped literal"
                self.say(draft, input.name, "literal.object", message, value, 'a literal object as {"value": {…}}')

    def _draw(self, draft: Draft, input: Input, value: dict[str, JsonValue], texts: dict[str, str]) -> None:
        """Hold a draw against its input with every kind of value that it may give; the first then stands for it."""
        try:
            samples = self.draws.samples(value)
        except Unfit as fault:
            self.say(draft, input.name, fault.code, fault.message, value, fault.expected, fault.hint)
            return
        draft.drawn.append(input.name)
        known = len(self.problems)
        for sample in (*samples, samples[0]):
            self._literal(draft, input, sample, texts)
            if len(self.problems) > known:
                problem = self.problems[known]
                message = f"the draw {value['draw']} may give {problem.found}: {problem.message}"
                self.problems[known] = replace(problem, message=message, found=shorten(value))
                return

    def _literal(self, draft: Draft, input: Input, value: JsonValue, texts: dict[str, str]) -> None:
        draft.literals.pop(input.name, None)
        try:
            read = read_literal(input, value, draft.form.choices(input))
            texts[input.name] = record_text(read)
        except Unfit as fault:
            self.say(draft, input.name, fault.code, fault.message, value, fault.expected, fault.hint)
            return
        except ValueError as error:
            self.say(draft, input.name, "json.number", str(error), value, "plain JSON")
            return
        draft.literals[input.name] = read
        if input.widget is not None and input.widget.kind in FILE_WIDGETS:
            self._file(draft, input, read)

    def _file(self, draft: Draft, input: Input, read: JsonValue) -> None:
        folder = input.widget.folder if input.widget is not None else None
        for name in read if isinstance(read, list) else [read]:
            fault = self.files.fault(folder, name) if isinstance(name, str) else None
            if fault is not None:
                self.say(draft, input.name, fault.code, fault.message, name, fault.expected, fault.hint)

    def _unknown(self, draft: Draft, name: str) -> None:
        names = draft.form.inputs
        message = f'there is no input "{name}"'
        self.say(draft, name, "input.unknown", message, None, listing(names), did_you_mean(name, names))

    def _missing(self, draft: Draft, name: str, fed_by: str | None) -> None:
        input = draft.form.inputs[name]
        hint = None if fed_by is None else f"give a value for the workflow's input {fed_by}"
        self.say(draft, name, "input.missing", "this input is needed", None, f"a value of type {input.type}", hint)


def rule_problems(draft: Draft, specs: Specs) -> list[Problem]:
    """What the node's own rules over several inputs say about its literals."""
    spec = draft.form.spec
    try:
        for rule in specs.checks(spec):
            rule(**draft.literals)
    except InputError as error:
        found = shorten(draft.literals.get(error.input))
        return [Problem("input.rule", error.message, draft.id, error.input, found, type=spec.id)]
    except Exception as error:  # noqa: BLE001 - a rule is foreign code, and its failure says nothing about the inputs
        reason = str(error) if isinstance(error, PackFailed) else f"{type(error).__name__}: {error}"
        message = "the rules of this node cannot be tried"
        return [Problem("pack.failed", message, draft.id, hint=reason, severity="warning", type=spec.id)]
    return []


def _holds_link(value: list[JsonValue]) -> bool:
    """Whether a list, or a row in it, has a link or a draw where a value should be."""
    waiting: list[JsonValue] = list(value)
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            if not _NESTED.isdisjoint(item):
                return True
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
    return False


def _record(draft: Draft, texts: Mapping[str, str]) -> bytes:
    """The literals in canonical JSON, as the keys of the engine hash them."""
    form = draft.form
    parts = [
        form.prefixes[name] + (texts[name] if name in texts else form.default_texts[name])
        for name in form.names
        if name in draft.literals
    ]
    return f"{{{','.join(parts)}}}".encode("utf-8", "backslashreplace")
