"""What a document gives an input: literals, links, draws and escaped objects, also inside lists and rows."""

from dataclasses import replace
from enum import Enum
from typing import Final

from nodeflow.core.drawing import DrawTrial
from nodeflow.core.errors import Problem
from nodeflow.core.files import NAMING_WIDGETS, FileCheck
from nodeflow.core.forms import Draft, Nested, Place
from nodeflow.core.json import JsonValue
from nodeflow.core.literals import check_items, read_literal
from nodeflow.core.places import is_row, item_type, takes_objects
from nodeflow.core.secrets import SECRET
from nodeflow.core.spec import Input, Widget
from nodeflow.core.suggest import did_you_mean, kind_of, listing, shorten
from nodeflow.core.types import ANY
from nodeflow.core.unfit import Unfit

Tree = dict[str, JsonValue]


class Absence(Enum):
    """Says that there is no literal."""

    ABSENT = "a link, or something that is wrong"


ABSENT: Final = Absence.ABSENT


class ValueReader:
    """Reads values one after another and collects what is wrong with them."""

    def __init__(self, files: FileCheck, draws: DrawTrial, problems: list[Problem]) -> None:
        self.files = files
        self.draws = draws
        self.problems = problems

    def read(self, draft: Draft, input: Input, place: Place, value: JsonValue) -> JsonValue | Absence:
        """The literal that ``value`` is; links are put into ``draft``, with null in their place inside a literal."""
        if isinstance(value, dict) and not place.escaped:
            return self._object(draft, input, place, value)
        if isinstance(value, list):
            return self._list(draft, input, place, value)
        return self.literal(draft, input, place.label, value)

    def literal(self, draft: Draft, input: Input, label: str, value: JsonValue) -> JsonValue | Absence:
        """A value without links in it."""
        try:
            read = read_literal(input, value, draft.form.choices(input))
        except Unfit as fault:
            for index in fault.at:
                assert isinstance(value, list), "a fault at an item is a fault in a list"
                label, value = f"{label}[{index}]", value[index]
            self.say(draft, label, fault.code, fault.message, value, fault.expected, fault.hint)
            return ABSENT
        if input.widget is not None and _names_things(input.widget) and not _says_none(input, read):
            self._names(draft, label, input.widget, read)
        return read

    def say(
        self,
        draft: Draft,
        label: str | None,
        code: str,
        message: str,
        found: object = None,
        expected: str | None = None,
        hint: str | None = None,
    ) -> None:
        """Write down what is wrong with an input or a place inside it."""
        found_text = None if found is None else shorten(found)
        self.problems.append(
            Problem(code, message, draft.id, label, found_text, expected, hint, type=draft.form.spec.id)
        )

    def missing(self, draft: Draft, input: Input, label: str, *, what: str, hint: str | None = None) -> None:
        """Write down that an input or a field of a row is needed."""
        expected = f"a value of type {input.type}"
        self.say(draft, label, "input.missing", f"this {what} is needed", None, expected, hint)

    def _object(self, draft: Draft, input: Input, place: Place, value: Tree) -> JsonValue | Absence:
        if len(value) == 1:
            if isinstance(link := value.get("link"), str):
                return self._link(draft, input, place, link)
            if "value" in value:
                return self._item(draft, input, place._replace(escaped=True), value["value"])
        if "draw" in value:
            return self._draw(draft, input, place, value)
        if "link" in value:
            self.say(draft, place.label, "link.malformed", "this is no link", value, '{"link": "node.output"}')
        else:
            message = "an object is a link, a draw or an escaped literal"
            self.say(draft, place.label, "literal.object", message, value, 'a literal object as {"value": {…}}')
        return ABSENT

    def _link(self, draft: Draft, input: Input, place: Place, link: str) -> Absence:
        source, _, output = link.partition(".")
        if source and output:
            draft.links[place.label] = (source, output)
            if place.path:
                draft.nested[place.label] = Nested(place.input, place.path, input.type)
        else:
            self.say(draft, place.label, "link.malformed", "a link names an output", link, '"node.output"')
        return ABSENT

    def _draw(self, draft: Draft, input: Input, place: Place, value: Tree) -> JsonValue | Absence:
        """Hold a draw against its input with every kind of value that it may give; the first then stands for it."""
        try:
            samples = self.draws.samples(value)
        except Unfit as fault:
            self.say(draft, place.label, fault.code, fault.message, value, fault.expected, fault.hint)
            return ABSENT
        draft.drawn.append(place.label)
        known = len(self.problems)
        read: list[JsonValue | Absence] = []
        for sample in samples:
            read.append(self._item(draft, input, place._replace(escaped=True), sample))
            if len(self.problems) > known:
                problem = self.problems[known]
                message = f"the draw {value['draw']} may give {problem.found}: {problem.message}"
                self.problems[known:] = [replace(problem, message=message, found=shorten(value))]
                return ABSENT
        return read[0]

    def _list(self, draft: Draft, input: Input, place: Place, values: list[JsonValue]) -> JsonValue | Absence:
        type_ = item_type(input.type)
        if type_ is None or not (input.fields or (_holds_object(values) and not place.escaped)):
            return self.literal(draft, input, place.label, values)
        try:
            check_items(len(values), input.range)
        except Unfit as fault:
            self.say(draft, place.label, fault.code, fault.message, values, fault.expected, fault.hint)
        item = replace(input, type=type_, range=None)
        return [self._member(draft, item, place.inside(index), value) for index, value in enumerate(values)]

    def _member(self, draft: Draft, input: Input, place: Place, value: JsonValue) -> JsonValue:
        """A value inside a literal, or null where a link will put one."""
        read = self._item(draft, input, place, value)
        return None if read is ABSENT else read

    def _item(self, draft: Draft, input: Input, place: Place, value: JsonValue) -> JsonValue | Absence:
        """An item of a list: there an object may be a row, or a literal that needs no escape."""
        if isinstance(value, dict) and (place.escaped or not _means_something(value, is_row(input))):
            return self._record(draft, input, place, value)
        if is_row(input) and not isinstance(value, dict):
            needed = [item.name for item in input.fields if item.required]
            hint = f"write {shorten({needed[0]: value})}" if len(needed) == 1 else None
            expected = f"an object with {listing([item.name for item in input.fields])}"
            self.say(draft, place.label, "literal.type", f"{kind_of(value)} instead of a row", value, expected, hint)
            return ABSENT
        return self.read(draft, input, place, value)

    def _record(self, draft: Draft, input: Input, place: Place, value: Tree) -> JsonValue | Absence:
        if is_row(input):
            return self._row(draft, input, place, value)
        if place.escaped or not takes_objects(input.type):
            return self.literal(draft, input, place.label, value)
        inner = Input(input.name, ANY)
        return {key: self._member(draft, inner, place.inside(key), member) for key, member in value.items()}

    def _row(self, draft: Draft, input: Input, place: Place, row: Tree) -> JsonValue:
        fields = {item.name: item for item in input.fields}
        for key in row:
            if key not in fields:
                message = f'there is no field "{key}" in a {input.type}'
                hint = did_you_mean(key, fields)
                self.say(draft, place.inside(key).label, "row.unknown", message, None, listing(fields), hint)
        read: Tree = {}
        for name, item in fields.items():
            if name in row:
                value = self.read(draft, item, place.inside(name), row[name])
                read[name] = None if value is ABSENT else value
            elif item.required:
                self.missing(draft, item, place.inside(name).label, what="field")
            else:
                read[name] = item.default
        return read

    def _names(self, draft: Draft, label: str, widget: Widget, read: JsonValue) -> None:
        if isinstance(read, list):
            for index, name in enumerate(read):
                self._names(draft, f"{label}[{index}]", widget, name)
            return
        if isinstance(read, str):
            for name, fault in self.files.faults(widget, read):
                found = None if widget.kind == SECRET else name
                self.say(draft, label, fault.code, fault.message, found, fault.expected, fault.hint)


def _names_things(widget: Widget) -> bool:
    """Whether a literal is the name of something that has to be there, or may name such things in its midst."""
    return widget.kind in NAMING_WIDGETS or widget.pattern is not None


def _says_none(input: Input, read: JsonValue) -> bool:
    """Whether an input that may go without a name is left empty."""
    return read == input.default == "" and not input.required


def _means_something(value: Tree, row: bool) -> bool:
    """Whether an object is a link, a draw or an escaped literal, or tries to be one; a row may have a field "value"."""
    return "link" in value or "draw" in value or ("value" in value and (len(value) == 1 or not row))


def _holds_object(value: JsonValue) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(map(_holds_object, value)))
