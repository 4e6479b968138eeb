"""What workers are asked beside jobs: what would run, a contact sheet, models in memory."""

from collections.abc import Mapping, Sequence
from typing import Final

from pydantic import JsonValue

from nodeflow.protocol.errors import Refusal
from nodeflow.protocol.work import Answer, Explain, File, Prewarm, Sheet, SheetPoint
from nodeflow.server.places import Places, places_of
from nodeflow.server.security.clients import LOCAL
from nodeflow.server.workers import Workers
from nodeflow.storage.home import Home

_EXPLAIN_SECONDS: Final = 60.0
"""What an explanation may take before somebody who waits for it is told so."""


class Questions:
    """Asks whichever worker can answer."""

    def __init__(self, workers: Workers, home: Home) -> None:
        self._workers = workers
        self._home = home

    async def explain(
        self,
        document: bytes,
        inputs: Mapping[str, JsonValue],
        *,
        client: str,
        targets: Sequence[str] | None = None,
    ) -> JsonValue:
        """What would run of a document.

        Raises:
            Refusal: worker.none, document.invalid.
        """
        places = places_of(self._home, client)
        question = Explain(
            ask="",
            inputs=inputs,
            targets=None if targets is None else tuple(targets),
            input_dirs=_input_dirs(places),
            output_dir=str(places.output),
        )
        return _value(await self._workers.ask(question, document, patience=_EXPLAIN_SECONDS))

    async def sheet(
        self,
        axes: Sequence[Sequence[Mapping[str, JsonValue]]],
        points: Sequence[SheetPoint],
        *,
        client: str,
        stem: str,
    ) -> Sequence[File]:
        """Lays out the pictures of a sweep; paths are within the output folder of the client.

        Raises:
            Refusal: worker.none, document.invalid.
        """
        question = Sheet(
            ask="",
            axes=tuple(map(tuple, axes)),
            points=tuple(points),
            stem=stem,
            output_dir=str(places_of(self._home, client).output),
        )
        found = _value(await self._workers.ask(question))
        return [File.model_validate(each) for each in found] if isinstance(found, list) else []

    async def prewarm(self, document: bytes) -> None:
        """Has every worker compute what a document computes, now and whenever it was started anew.

        So its models are in memory. What goes wrong is in the log.
        """
        places = places_of(self._home, LOCAL)
        question = Prewarm(ask="", input_dirs=_input_dirs(places), output_dir=str(places.output))
        await self._workers.prewarm(question, document)


def _value(answer: Answer) -> JsonValue:
    if answer.error:
        raise Refusal("document.invalid", answer.error)
    return answer.value


def _input_dirs(places: Places) -> tuple[str, ...]:
    return tuple(map(str, places.inputs))
