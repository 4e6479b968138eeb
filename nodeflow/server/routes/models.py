"""The model files there are, from the index, and pictures that lie beside them."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Final

from aiohttp import web

from nodeflow.protocol.catalogue import ModelEntry, ModelPage, ModelQuery
from nodeflow.protocol.errors import Refusal
from nodeflow.protocol.tokens import Role
from nodeflow.server.parts import PARTS
from nodeflow.server.routing import API, Route, query_of
from nodeflow.server.sending import send_bytes
from nodeflow.server.thumbnails import Thumbnails, identity_of
from nodeflow.storage.containment import contains
from nodeflow.storage.models import ModelFolders

_FRESH: Final = 2.0
"""Seconds for which the list is not looked up again."""
_SIZE: Final = 512
_BESIDE: Final = tuple(
    f"{middle}{suffix}" for middle in ("", ".preview") for suffix in (".png", ".webp", ".jpg", ".jpeg")
)


@dataclass(slots=True)
class ModelList:
    """Keeps the list for a moment, so that many who ask at once cost one look."""

    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _seen: float = float("-inf")
    _of: ModelFolders | None = None
    _entries: tuple[ModelEntry, ...] = ()

    async def of(self, models: ModelFolders) -> tuple[ModelEntry, ...]:
        """All models, by kind and name."""
        async with self._turn:
            if self._of is not models or monotonic() - self._seen > _FRESH:
                self._entries = await asyncio.to_thread(lambda: tuple(_entries(models)))
                self._of, self._seen = models, monotonic()
            return self._entries


MODELS: Final = web.AppKey("models", ModelList)


def _entries(models: ModelFolders) -> Iterator[ModelEntry]:
    from nodeflow.session.cataloguing import catalogue  # with all that knows model files: not before it is needed

    for kind, files in sorted(catalogue(models).items()):
        for file in files:
            about = file.about
            yield ModelEntry.model_construct(
                kind=kind,
                name=file.name,
                bytes=file.nbytes,
                title=about.title,
                family=about.family,
                base=about.base,
                precision=about.precision,
                parameters=about.parameters,
                prediction=about.prediction,
                triggers=about.triggers,
                metadata=about.metadata,
                fault=about.fault,
            )


async def _list(request: web.Request) -> ModelPage:
    query = query_of(request, ModelQuery)
    entries = await request.app[MODELS].of(request.app[PARTS].workplace.models)
    kinds: dict[str, int] = {}
    for entry in entries:
        kinds[entry.kind] = kinds.get(entry.kind, 0) + 1
    wanted = query.search.lower()
    found = [
        entry
        for entry in entries
        if query.kind in (None, entry.kind) and wanted in entry.name.lower() and _key(entry) > query.after
    ]
    shown = found[: query.limit]
    return ModelPage.model_construct(
        models=tuple(shown), kinds=kinds, next=_key(shown[-1]) if len(found) > len(shown) else None
    )


def _key(entry: ModelEntry) -> str:
    return f"{entry.kind}/{entry.name}"


async def _preview(request: web.Request) -> web.Response:
    parts = request.app[PARTS]
    kind, name = request.match_info["kind"], request.match_info["name"]
    found = await asyncio.to_thread(_beside, parts.workplace.models, kind, name)
    if found is None:
        raise Refusal("model.unknown", f"there is no picture beside a model {name[:200]!r} of kind {kind[:100]!r}")
    picture, identity = found
    small, tag = await Thumbnails(parts.home, parts.pictures).of(picture, f"{picture} {identity}", _SIZE)
    return send_bytes(request, small, "image/webp", tag)


def _beside(models: ModelFolders, kind: str, name: str) -> tuple[Path, str] | None:
    """The picture of a model file: of the same name, in the same folder, and not somewhere else by a link."""
    try:
        file = models.find(kind, name)
        if file is None:
            return None
        for ending in _BESIDE:
            picture = file.with_name(file.stem + ending)
            if picture.is_file() and contains(file.parent, picture):
                return picture, identity_of(picture)
    except (OSError, ValueError):
        return None
    return None


ROUTES: Final[Sequence[Route]] = (
    Route(
        "GET", f"{API}/models", _list, Role.READ, "List model files", query=ModelQuery, answer=ModelPage, tag="models"
    ),
    Route(
        "GET",
        f"{API}/models/{{kind}}/{{name:.+}}/preview",
        _preview,
        Role.READ,
        "Get the picture that lies beside a model file",
        gives=("image/webp",),
        refusals=("model.unknown", "picture.refused"),
        tag="models",
    ),
)
