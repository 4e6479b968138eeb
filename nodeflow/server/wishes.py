"""Requests as wishes: what is to be run, before anybody has looked whether it can be."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, TypeVar, cast

from pydantic import JsonValue

from nodeflow.core.canonical import record_bytes
from nodeflow.core.errors import InvalidDocument, Problem
from nodeflow.core.json import JsonValue as Json
from nodeflow.core.structure import count_nodes
from nodeflow.core.workflow import Document
from nodeflow.protocol.errors import Refusal
from nodeflow.protocol.jobs import JobOptions
from nodeflow.session.sources import Loaded, Value
from nodeflow.storage.database.records import NewJob

Keyed = TypeVar("Keyed", "Wish", NewJob)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a client wants to be run.

    Attributes:
        digest: Of all that the client has sent but the key.
        key: The same key with the same digest is the same job.
        workflow: ``name@version`` of what was published.
    """

    client: str
    loaded: Loaded
    digest: str
    inputs: Mapping[str, Value] = field(default_factory=dict[str, Value])
    targets: tuple[str, ...] | None = None
    options: JobOptions = field(default_factory=JobOptions)
    key: str | None = None
    workflow: str = ""
    sweep: str = ""
    point: int | None = None


def loaded_of(tree: Mapping[str, Any], most: int) -> Loaded:
    """A document that came as JSON; no folder is searched beside it.

    Raises:
        InvalidDocument: It is none, or too large.
    """
    document = cast("Json", tree)
    count = count_nodes(document)
    if count > most:
        found, expected = f"{count:,} nodes", f"at most {most:,}"
        raise InvalidDocument([Problem("limit.nodes", "the document is too large", found=found, expected=expected)])
    return Loaded(Document.from_tree(document, keep_going=True))


def with_key(wish: Keyed, key: str | None) -> Keyed:
    """A wish, or its job, with the key that came in the head of the request, if one did.

    Raises:
        Refusal: Its body has another one.
    """
    if key is not None and wish.key is not None and key != wish.key:
        raise Refusal("request.invalid", "the header Idempotency-Key and the field key are not the same; keep one")
    return wish if key is None else replace(wish, key=key)


def options_of(asked: JobOptions) -> JobOptions:
    """The options of a request that has more in it."""
    return JobOptions.model_construct(**{name: getattr(asked, name) for name in JobOptions.model_fields})


def digest_of(*parts: JsonValue) -> str:
    """Tells whether a request that comes again is the same."""
    return sha256(record_bytes(cast("Json", list(parts)))).hexdigest()
