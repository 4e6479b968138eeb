"""What a server asks a worker beside jobs: what would run, a contact sheet, models in memory."""

import logging
from pathlib import Path

from pydantic import JsonValue

from nodeflow.core.errors import NodeflowError
from nodeflow.protocol.report import problem_report
from nodeflow.protocol.work import Answer, Explain, Prewarm, Sheet, SheetPoint
from nodeflow.session.axes import Axis, Point
from nodeflow.session.session import Session
from nodeflow.session.sheets import write_sheets
from nodeflow.session.swept import Ending, PointOutput, SweepPoint
from nodeflow.storage.outputs import Outputs
from nodeflow.worker.carrying import written_files

_LOG = logging.getLogger(__name__)


def answer(session: Session, question: Explain | Sheet | Prewarm, body: bytes) -> Answer:
    """Answers; what makes that impossible is in the answer."""
    try:
        match question:
            case Explain():
                value = _explained(session, question, body)
            case Sheet():
                value = _sheets(question)
            case Prewarm():
                value = _warmed(session, question, body)
    except NodeflowError as error:
        return Answer(ask=question.ask, error=str(error))
    except Exception as error:  # noqa: BLE001 - a worker answers whatever happens
        _LOG.exception("a question could not be answered")
        return Answer(ask=question.ask, error=f"a fault of nodeflow, not of the document: {error!r}")
    return Answer(ask=question.ask, value=value)


def _explained(session: Session, question: Explain, document: bytes) -> JsonValue:
    """The nodes, as ``nodeflow explain --json`` has them, and what is wrong with the document."""
    place = _elsewhere(session, question)
    found = place.outlook(document, question.inputs, targets=question.targets)
    nodes: list[JsonValue] = [
        {"node": each.node, "type": each.type, "state": each.state.value, "reasons": list(each.reasons)}
        for each in found.nodes
    ]
    return {"nodes": nodes, "problems": [problem_report(each).model_dump(mode="json") for each in found.problems]}


def _sheets(question: Sheet) -> JsonValue:
    folder = Path(question.output_dir)
    axes = [Axis(steps) for steps in question.axes]
    points = [_point(index, each, axes, folder) for index, each in enumerate(question.points, 1)]
    sheets = write_sheets(axes, points, Outputs(folder), question.stem)
    return [file.model_dump(mode="json") for file in written_files(map(str, sheets), folder)]


def _point(index: int, point: SheetPoint, axes: list[Axis], folder: Path) -> SweepPoint:
    steps = (axis.steps[step] for axis, step in zip(axes, point.place, strict=True))
    values = {name: value for step in steps for name, value in step.items()}
    outputs = {name: PointOutput("", None, _paths(paths, folder)) for name, paths in point.outputs.items()}
    return SweepPoint(Point(index, point.place, values, ""), Ending.KEPT, outputs, _paths(point.files, folder))


def _paths(names: tuple[str, ...], folder: Path) -> tuple[Path, ...]:
    return tuple(folder / name for name in names)


def _warmed(session: Session, question: Prewarm, document: bytes) -> JsonValue:
    """The models that are in memory now."""
    _elsewhere(session, question).warm_up(document).result()
    return list(session.models)


def _elsewhere(session: Session, question: Explain | Prewarm) -> Session:
    return session.elsewhere(
        input_dirs=tuple(map(Path, question.input_dirs)), output_dir=Path(question.output_dir), metadata=False
    )
