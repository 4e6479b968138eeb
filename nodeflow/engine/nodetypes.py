"""A spec prepared for one run: the fixed part of its keys, how its literals become arguments, what it may cache."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeAlias, cast

from nodeflow.core.errors import InputError
from nodeflow.core.files import FILE_WIDGETS
from nodeflow.core.json import JsonValue
from nodeflow.core.linked import has_scalars, is_bounded, is_strict, is_vague
from nodeflow.core.mentions import mentioned, mentioning
from nodeflow.core.node import Later
from nodeflow.core.resolved import ResolvedNode
from nodeflow.core.secrets import SECRET
from nodeflow.core.spec import Form, Input, Kind, Lane, Spec, Widget
from nodeflow.core.types import Type
from nodeflow.engine.inside import at_texts, has_widget
from nodeflow.engine.keys import file_entry, head
from nodeflow.engine.own import FUNCTIONS, ITEM, LIST
from nodeflow.engine.runtime import ResolvedFile, Services

_OPEN_TYPES = frozenset(("int", "float", "str", "bool", "any"))

Convert: TypeAlias = Callable[[JsonValue], object]


class NodeType:
    """What every node of one spec has in common during one run.

    Attributes:
        head: The fixed part of the key record.
        position: Output name to its place in the tuple of outputs.
        lazy: Inputs that are computed only when awaited, or recorded as references.
        control: Lazy or expanding: never cached itself, keyed by what it turned out to need.
        cached: Its results are remembered, and may be computed again at any time.
        external: It depends on the outside world.
        remembered: Its results are looked up; those of an external node hold for a while.
        literal: Literals arrive as they are.
        gathers: It takes lists as they are, with what is blocked in them.
        quick: The last call was over so soon that no other process should wait for it.
        plain: Keyed by type, literals and links alone.
        on_device: A synchronous node that must have the device to itself.
        root: Runs although nobody asks for its outputs.
        secrets: Inputs whose literals name secrets, which become values when the node is called.
        watchful: Some values that links bring must be looked at.
        strict: Inputs that look at them even when the types of the link agree.
        vague: Values of different sorts may come from one of its outputs.
    """

    __slots__ = (
        "_converts",
        "_files",
        "_function",
        "_resolved",
        "_services",
        "_storable",
        "_texts",
        "cached",
        "control",
        "expands",
        "external",
        "gathers",
        "head",
        "lazy",
        "literal",
        "on_device",
        "plain",
        "position",
        "quick",
        "remembered",
        "root",
        "secrets",
        "spec",
        "strict",
        "sync",
        "vague",
        "watchful",
    )

    def __init__(self, spec: Spec, services: Services, environment: str) -> None:
        self.spec = spec
        own = FUNCTIONS.get(spec.id)
        self.head = head(spec, services.code_digest(spec) if own is None else "", environment)
        self.position = {output.name: place for place, output in enumerate(spec.outputs)}
        self.expands = spec.form is Form.EXPANDER
        self.gathers = spec is ITEM or spec is LIST
        self.sync = spec.form is Form.SYNC
        self.lazy = frozenset(() if self.sync else (item.name for item in spec.inputs if item.lazy))
        self.control = self.expands or bool(self.lazy)
        self.cached = spec.kind is Kind.PURE and not self.control
        self.external = spec.kind is Kind.EXTERNAL
        self.remembered = self.cached or (self.external and spec.age > 0 and not self.control)
        self.on_device = self.sync and spec.lane is Lane.DEVICE
        self.root = spec.kind is Kind.EFFECT or not spec.outputs
        self._services = services
        self._function: Callable[..., object] | None = own
        self._storable: bool | None = None
        self._files = tuple(item for item in spec.inputs if has_widget(item, FILE_WIDGETS))
        self._texts = tuple(item for item in spec.inputs if any(mentioning((item,))))
        self._resolved: dict[tuple[Widget | None, str], ResolvedFile] = {}
        self.secrets = tuple(item for item in spec.inputs if not self.expands and has_widget(item, (SECRET,)))
        self._converts = self._conversions()
        self.literal = not self._converts
        self.quick = False
        self.watchful = any(is_bounded(item) or has_scalars(item) for item in spec.inputs)
        self.strict = frozenset(item.name for item in spec.inputs if is_strict(item))
        self.vague = any(is_vague(item.type) for item in spec.outputs)
        self.plain = not (self.control or self.external or self._files or self._texts)

    @property
    def function(self) -> Callable[..., object]:
        """The implementation, imported when it is first called for."""
        if self._function is None:
            self._function = self._services.implementation(self.spec)
        return self._function

    @property
    def worth_a_lock(self) -> bool:
        """Whether other processes should wait for a result instead of computing it as well: it may reach the disk."""
        if self._storable is None:
            self._storable = all(map(self._may_be_stored, (output.type for output in self.spec.outputs)))
        return self._storable

    def files(self, node: ResolvedNode) -> bytes:
        """Entries of the key record for the files that literals of ``node`` name."""
        entries = [
            file_entry(_place(item, label, name), self._file(item, label, name).fingerprint)
            for item, label, name in self._named(node)
        ]
        return b"".join([*entries, *self._nameable(node)])

    def check_files(self, node: ResolvedNode) -> None:
        """Make sure that what was read is what the key of ``node`` says.

        Raises:
            InputError: A file changed since the key was computed.
        """
        for item, label, name in self._named(node):
            if self._look_up(item, label, name) != self._file(item, label, name):
                raise InputError(label, f"{name} changed while it was read; run again")

    def arguments(self, node: ResolvedNode) -> dict[str, object]:
        """The literals of ``node`` as the implementation takes them."""
        arguments: dict[str, object] = dict(node.literals)
        for name, convert in self._converts:
            if name in arguments:
                arguments[name] = convert(node.literals[name])
        return arguments

    def outputs(self, result: object) -> tuple[object, ...]:
        """What the implementation returned, as one value per output.

        Raises:
            TypeError: It returned another number of values than it declares.
        """
        if not self.spec.multiple:
            return (result,) if self.spec.outputs else ()
        values = tuple(cast("tuple[object, ...]", result)) if isinstance(result, tuple) else (result,)
        if len(values) != len(self.spec.outputs):
            raise TypeError(f"{self.spec.id} returned {len(values)} values, but declares {len(self.spec.outputs)}")
        return values

    def _may_be_stored(self, type: Type) -> bool:
        if type.args:
            return all(map(self._may_be_stored, type.args))
        return type.name in _OPEN_TYPES or type.name.startswith("$") or self._services.codec(type.name) is not None

    def _conversions(self) -> tuple[tuple[str, Convert], ...]:
        found: list[tuple[str, Convert]] = [(item.name, _as_float) for item in self.spec.inputs if _is_float(item.type)]
        if self.expands:  # what it records takes names, and finds the files itself
            return tuple(found)
        found += [(item.name, partial(self._paths, item)) for item in self._files]
        found += [(name, Later) for name in sorted(self.lazy)]
        return tuple(found)

    def _named(self, node: ResolvedNode) -> list[tuple[Input, str, str]]:
        """The files that literals of ``node`` name: the input or row field, the label of the place, and the name."""
        found: list[tuple[Input, str, str]] = []
        for item in self._files:
            value = node.literals.get(item.name)
            at_texts(item, value, item.name, FILE_WIDGETS, lambda at, label, name: found.append((at, label, name)))
        for item in self._texts:
            at_texts(item, node.literals.get(item.name), item.name, ("text",), partial(_mentions, found))
        return found

    def _nameable(self, node: ResolvedNode) -> Iterator[bytes]:
        """Entries for all files that texts could name which only a link will bring."""
        nested = node.nested or {}
        linked = {nested[wire.input][0] if wire.input in nested else wire.input for wire in node.wires}
        for item in self._texts:
            if item.name in linked:
                for kind in sorted({kind for _, kind in mentioning((item,))}):
                    yield file_entry(f"{item.name} (any of {kind})", self._services.fingerprint(kind))

    def _paths(self, item: Input, value: JsonValue) -> object:
        def path(at: Input, label: str, name: str) -> Path:
            return Path(self._file(at, label, name).path)

        return at_texts(item, value, item.name, FILE_WIDGETS, path)

    def _file(self, item: Input, label: str, name: str) -> ResolvedFile:
        found = self._resolved.get((item.widget, name))
        if found is None:
            found = self._resolved[item.widget, name] = self._look_up(item, label, name)
        return found

    def _look_up(self, item: Input, label: str, name: str) -> ResolvedFile:
        try:
            return self._services.resolve_file(replace(item, name=label), name)
        except OSError as error:
            raise InputError(label, f"{name} cannot be read: {error.strerror or error}") from error


def _place(item: Input, label: str, name: str) -> str:
    """What a file of a node is called in its key record: a text may name several."""
    return label if item.widget is None or item.widget.pattern is None else f"{label} ({name})"


def _mentions(found: list[tuple[Input, str, str]], item: Input, label: str, text: str) -> None:
    assert item.widget is not None, "only inputs with a widget are looked at"
    found += [(item, label, name) for name in mentioned(item.widget, text)]


def _is_float(type: Type) -> bool:
    return type.name == "float" or (type.name == "optional" and type.args[0].name == "float")


def _as_float(value: JsonValue) -> object:
    return float(value) if type(value) is int else value
