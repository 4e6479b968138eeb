"""Options that several commands share, and what they stand for."""

import argparse
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from pydantic import BaseModel, ValidationError

from nodeflow.client.address import DEFAULT_URL
from nodeflow.core.errors import MissingFile, Problem, UsageError
from nodeflow.session.sources import Source, Value
from nodeflow.session.workplace import Workplace
from nodeflow.storage.documents import MAX_FILE

if TYPE_CHECKING:
    from nodeflow.session import Session

M = TypeVar("M", bound=BaseModel)

DOCUMENT_HELP = "workflow file, picture that carries one, shipped name, or - "
_ALL = "all"
_MAX_INPUTS = 16 * 2**20


def add_document(parser: argparse.ArgumentParser) -> None:
    """The workflow, and options that fill it in."""
    parser.add_argument("file", metavar="FILE", help=DOCUMENT_HELP)
    add = parser.add_argument
    add("--set", action="append", default=[], metavar="NODE.INPUT=VALUE", help="set an input of a node; repeatable")
    add("--input", action="append", default=[], metavar="NAME=VALUE", help=_INPUT_HELP)
    add("--inputs", metavar="FILE", help="JSON object of inputs by name")
    add("--target", action="append", metavar="NODE", help="run only what this node needs; repeatable")


def add_item(parser: argparse.ArgumentParser) -> None:
    """Option that makes one picture of a batch."""
    what = "make one picture of the batch alone: the one that the picture FILE shows, or number N"
    parser.add_argument("--item", nargs="?", type=_number, const=True, default=False, metavar="N", help=what)


def _number(text: str) -> int:
    if re.fullmatch("[1-9][0-9]{0,8}", text) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 on; write --item last, or --item=3")
    return int(text)


_INPUT_HELP = (
    "set an input that the workflow declares; NAME=@FILE takes the text, or for a file input the file itself, and "
    "NAME=@@… a text that starts with @; repeatable"
)


def add_places(parser: argparse.ArgumentParser) -> None:
    """Options that say where models and inputs are."""
    add = parser.add_argument
    add("--models-dir", action="append", default=[], metavar="DIR", help="models in DIR/checkpoints/…; repeatable")
    add_input_dir(parser)


def add_input_dir(parser: argparse.ArgumentParser) -> None:
    """Option that says where inputs are."""
    parser.add_argument("--input-dir", metavar="DIR", help="folder of the pictures that the workflow loads")


def add_device(parser: argparse.ArgumentParser, default: str | None = "auto") -> None:
    """Options that say what computes."""
    parser.add_argument("--device", default=default, help="cpu, cuda:0, or auto: a GPU where there is one")
    parser.add_argument("--dtype", choices=("auto", "fp32", "bf16"), default=default, help="precision of the networks")


def add_refresh(parser: argparse.ArgumentParser) -> None:
    """Option that asks the world outside again."""
    what = "ask this external node again, whatever is remembered of it; all for every one; repeatable"
    parser.add_argument("--refresh", action="append", default=[], metavar="NODE", help=what)


def refresh(args: argparse.Namespace) -> Sequence[str] | bool:
    """The external nodes to ask again; True for all."""
    wanted: list[str] = args.refresh
    return True if _ALL in wanted else wanted


def add_output_dir(parser: argparse.ArgumentParser) -> None:
    """Option that says where files go."""
    parser.add_argument("--output-dir", default="output", metavar="DIR", help="where files go (default: output)")


def add_run(parser: argparse.ArgumentParser) -> None:
    """Options that say how runs are carried out, and where files go."""
    add = parser.add_argument
    add_output_dir(parser)
    add_places(parser)
    add_device(parser)
    add("--strict", action="store_true", help="a warning of a node is its failure")
    add("--dev", action="store_true", help="for authors of packs: a node that changes its inputs fails")
    add("--no-cache", action="store_true", help="compute everything, remember nothing")
    add("--no-metadata", action="store_true", help="do not embed the workflow into pictures")


SERVER_HELP = (
    f"where the server is (default: $NODEFLOW_SERVER, else the one of $NODEFLOW_HOME that runs, else {DEFAULT_URL}); "
    "any but that of $NODEFLOW_HOME may ask for the token in $NODEFLOW_TOKEN"
)


def add_server(parser: argparse.ArgumentParser, help: str = SERVER_HELP) -> None:
    """Option that names a server."""
    parser.add_argument("--server", metavar="URL", help=help)


def session(args: argparse.Namespace) -> "Session":
    """The session that the options of ``add_run`` describe."""
    from nodeflow.session import Session
    from nodeflow.session.memory import keep_one_arena

    keep_one_arena()
    return Session(
        models_dirs=args.models_dir,
        input_dir=args.input_dir,
        output_dir=args.output_dir,
        device=args.device,
        dtype=args.dtype,
        cache=not args.no_cache,
        metadata=not args.no_metadata,
        dev=args.dev,
    )


def message(model: type[M], **fields: object) -> M:
    """What a server is told, made of options.

    Raises:
        UsageError: The value of one makes no sense.
    """
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        option = "--" + ".".join(map(str, first["loc"])).replace("_", "-")
        raise UsageError(f"{option}: {first['msg']}; found {first['input']!r}") from error


def source(args: argparse.Namespace) -> Source:
    """The workflow that ``FILE`` names; ``-`` is standard input."""
    name: str = args.file
    return sys.stdin.buffer.read(MAX_FILE) if name == "-" else name


def values(args: argparse.Namespace) -> Mapping[str, Value]:
    """The values given by ``--inputs``, ``--input`` and ``--set``; a later kind wins over an earlier.

    Raises:
        UsageError: One of them is not written as it has to be.
        MissingFile: The file of ``--inputs`` is not there.
    """
    given: dict[str, Value] = dict(_inputs_file(args.inputs)) if args.inputs else {}
    given.update(inputs(args.input))
    for text in args.set:
        name, value = _assignment("--set", text, "NODE.INPUT=VALUE")
        if "." not in name:
            raise UsageError(f"--set {text}: expected NODE.INPUT=VALUE; for an input of the workflow use --input")
        given[name] = value
    return given


def inputs(texts: Sequence[str]) -> dict[str, str | Path]:
    """The values given by ``--input``.

    Raises:
        UsageError: One of them is not written as it has to be.
    """
    pairs = (_assignment("--input", text, "NAME=VALUE") for text in texts)
    return {name: value_of(value) for name, value in pairs}


def value_of(text: str) -> str | Path:
    """A value as it is typed: ``@FILE`` is that file, ``@@…`` a text that starts with ``@``."""
    if text.startswith("@@"):
        return text[1:]
    return Path(text[1:]).expanduser() if text.startswith("@") else text


def workplace(args: argparse.Namespace) -> Workplace:
    """What is installed, and the places that the options name."""
    return Workplace.at(models_dirs=args.models_dir, input_dir=args.input_dir)


def _assignment(option: str, text: str, form: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError(f"{option} {text}: expected {form}")
    return name, value


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for name, _ in pairs if [other for other, _ in pairs].count(name) > 1)
        raise ValueError(f"{twice!r} is given twice; keep one of them")
    return found


def _inputs_file(name: str) -> Mapping[str, Value]:
    path = Path(name)
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_INPUTS)
    except OSError as error:
        message = f"the file of --inputs cannot be read: {error.strerror or error}"
        raise MissingFile([Problem("file.missing", message, found=name)]) from error
    try:
        loaded = json.loads(data, object_pairs_hook=_unique)
    except RecursionError as error:
        raise UsageError(f"--inputs {name}: it is nested too deeply for a set of inputs") from error
    except ValueError as error:
        raise UsageError(f"--inputs {name}: not usable as JSON: {error}") from error
    if not isinstance(loaded, dict):
        raise UsageError(f'--inputs {name}: expected a JSON object such as {{"prompt": "a cat"}}')
    return cast("dict[str, Value]", loaded)
