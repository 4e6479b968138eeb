"""Secrets: what their names look like, who knows their values, and how these are kept out of every text."""

import json
import re
from collections.abc import Iterator, Mapping
from threading import Lock
from typing import Any, Final, Protocol, cast
from urllib.parse import quote, quote_plus

from nodeflow.core.errors import NodeflowError

SECRET: Final = "secret"
"""Kind of the widget whose literal is the name of a secret."""

MASK: Final = "***"
NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
NAME_FAULT: Final = "this is not the name of a secret"
NAME_EXPECTED: Final = "a name: a letter, then letters, digits and _; the secret itself never stands in a document"

_TELLING_LINE: Final = 8
"""A line of a longer secret, such as a key file, is masked by itself from this length on."""

_LONGEST_SHOWN: Final = 40
_MOST_DIGITS: Final = 3


class SecretFault(NodeflowError):
    """A secret that cannot be had.

    Args:
        message: What is wrong; it never holds a value, nor a name that may be one.
        hint: The way out.
    """

    exit_code = 4

    def __init__(self, message: str, hint: str = "") -> None:
        self.message = message
        self.hint = hint
        super().__init__(f"{message} → {hint}" if hint else message)


class SecretSource(Protocol):
    """Where the values of secrets are."""

    def read(self, name: str, /) -> str:
        """The value of the secret called ``name``.

        Raises:
            SecretFault: There is none, or it is kept in an unsafe way.
        """
        ...


class NoSecrets:
    """There are none."""

    def read(self, name: str, /) -> str:
        raise SecretFault("there are no secrets here")


def may_be_secret(name: str) -> bool:
    """Whether a name looks as if the secret itself had been written in its place, so that it is better not shown."""
    return len(name) > _LONGEST_SHOWN or sum(map(str.isdigit, name)) > _MOST_DIGITS


class Vault:
    """Hands secrets out, and masks every value that it ever handed out wherever a text might show it.

    Safe to use from several threads.
    """

    def __init__(self, source: SecretSource | None = None) -> None:
        self._source = source or NoSecrets()
        self._lock = Lock()
        self._values: frozenset[str] = frozenset()
        self._pattern: re.Pattern[str] | None = None
        self._forms: tuple[bytes, ...] = ()

    def read(self, name: str) -> str:
        """The value of a secret, for a node that is about to be called.

        Raises:
            SecretFault: ``name`` is no name, there is no such secret, or it is kept in an unsafe way.
        """
        if NAME.fullmatch(name) is None:
            raise SecretFault(NAME_FAULT, f"give {NAME_EXPECTED}")
        value = self._source.read(name)
        self.hide(value)
        return value

    def hide(self, value: str) -> None:
        """Mask ``value`` from now on."""
        if not value or value in self._values:
            return
        with self._lock:
            self._values |= {value}
            forms = sorted({form for known in self._values for form in _forms(known)}, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, forms)))
            self._forms = tuple(form.encode("utf-8", "surrogatepass") for form in forms)

    @property
    def knows_any(self) -> bool:
        """Whether there is anything to mask."""
        return self._pattern is not None

    def scrub(self, text: str) -> str:
        """``text`` with every known value masked."""
        return text if self._pattern is None else self._pattern.sub(MASK, text)

    def scrub_value(self, value: object) -> object:
        """A value with the texts in it masked, where it is a text or a list, tuple or dict that holds some."""
        if self._pattern is None:
            return value
        match value:
            case str():
                return self.scrub(value)
            case list() | tuple():
                items = cast("list[object] | tuple[object, ...]", value)
                masked = [self.scrub_value(item) for item in items]
                return masked if isinstance(value, list) else tuple(masked)
            case dict():
                pairs = cast("Mapping[object, object]", value).items()
                return {self.scrub_value(key): self.scrub_value(item) for key, item in pairs}
            case _:
                return value

    def found_in(self, *parts: bytes | memoryview) -> bool:
        """Whether one of ``parts`` holds a known value."""
        return any(form in _searchable(part) for part in parts for form in self._forms)


def _forms(value: str) -> Iterator[str]:
    """A secret as it may stand in a message: as it is, escaped as in Python, JSON and addresses, and line by line."""
    lines = [line.strip() for line in value.splitlines()]
    telling = [line for line in lines if len(line) >= _TELLING_LINE]
    for text in (value, *telling):
        yield text
        yield repr(text)[1:-1]
        yield json.dumps(text)[1:-1]
        yield json.dumps(text, ensure_ascii=False)[1:-1]
        yield quote(text, safe="", errors="replace")
        yield quote_plus(text, errors="replace")


def _searchable(part: bytes | memoryview) -> Any:
    return part if isinstance(part, bytes) else bytes(part)
