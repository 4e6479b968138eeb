"""The inputs of one node, read against its spec: literals parsed, links taken apart, everything wrong written down."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from nodeflow.core.canonical import half_character, record_text
from nodeflow.core.drawing import DrawTrial
from nodeflow.core.errors import Problem
from nodeflow.core.files import FileCheck
from nodeflow.core.forms import Draft, Form
from nodeflow.core.json import JsonValue
from nodeflow.core.reading import WHOLE
from nodeflow.core.suggest import did_you_mean, listing
from nodeflow.core.values import ABSENT, ValueReader
from nodeflow.core.workflow import Node

_HOLDERS: Final = (dict, list)
"""What may hold more than a literal."""


class InputReader:
    """Reads nodes one after another and collects what is wrong with them."""

    def __init__(self, files: FileCheck, draws: DrawTrial, problems: list[Problem]) -> None:
        self.problems = problems
        self._values = ValueReader(files, draws, problems)

    def read(self, id: str, node: Node, form: Form, fed: Mapping[str, str]) -> Draft:
        """Read one node.

        Args:
            id: Its id, for messages.
            node: What the document says.
            form: The spec of its type.
            fed: Inputs that the interface feeds, with the name under which it does.
        """
        draft = Draft(id, form, dict(form.defaults), {}, {}, [])
        values, literals = self._values, draft.literals
        texts: dict[str, str] = {}
        for name, value in node.inputs.items():
            input = form.inputs.get(name)
            if input is None:
                self._unknown(draft, name)
                continue
            literals.pop(name, None)
            known = len(self.problems)
            if isinstance(value, _HOLDERS):
                read = values.read(draft, input, form.places[name], value)
            else:
                read = values.literal(draft, input, name, value)
            if name in form.secrets:
                self.problems[known:] = map(_without_values, self.problems[known:])
            if read is not ABSENT and (text := self._text(draft, name, read)) is not None:
                texts[name], literals[name] = text, read
            if len(self.problems) > known:
                draft.wrong.append(name)
        for name in form.required:
            if name not in node.inputs:
                hint = f"give a value for the workflow's input {fed[name]}" if name in fed else None
                values.missing(draft, form.inputs[name], name, what="input", hint=hint)
                draft.wrong.append(name)
        for name in form.secrets & form.defaults.keys() - node.inputs.keys():
            values.literal(draft, form.inputs[name], name, form.defaults[name])
        draft.record = _record(draft, texts)
        return draft

    def _text(self, draft: Draft, name: str, read: JsonValue) -> str | None:
        """A literal in canonical JSON, which the values of settings and of Python may not have."""
        try:
            text = record_text(read)
        except ValueError as error:
            self._values.say(draft, name, "json.number", str(error), read, "plain JSON")
            return None
        half = half_character(text)
        if half is not None:
            self._values.say(draft, name, "json.text", f"there is half of a character, {half}", None, WHOLE)
        return text if half is None else None

    def _unknown(self, draft: Draft, name: str) -> None:
        names = draft.form.inputs
        message = f'there is no input "{name}"'
        self._values.say(draft, name, "input.unknown", message, None, listing(names), did_you_mean(name, names))


def _without_values(problem: Problem) -> Problem:
    """A problem with a secret without what stands in its place, which may be the secret itself."""
    return replace(problem, found=None, hint=problem.hint if problem.code.startswith("secret.") else None)


def _record(draft: Draft, texts: Mapping[str, str]) -> bytes:
    """The literals in canonical JSON, as the keys of the engine hash them."""
    form = draft.form
    parts = [
        form.prefixes[name] + (texts[name] if name in texts else form.default_texts[name])
        for name in form.names
        if name in draft.literals
    ]
    return f"{{{','.join(parts)}}}".encode("utf-8", "backslashreplace")
