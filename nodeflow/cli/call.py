"""``nodeflow call``: runs a published workflow, whose inputs are the options."""

import argparse
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import BinaryIO, Final

from pydantic import JsonValue

from nodeflow.cli import wire
from nodeflow.cli.ending import add_output, tell
from nodeflow.cli.messages import printable, report
from nodeflow.cli.remote import followed
from nodeflow.cli.streams import reserved_stdout
from nodeflow.cli.uploading import Sender
from nodeflow.client import Client
from nodeflow.core.errors import MissingFile, NodeflowError, Problem, UsageError
from nodeflow.core.exitcodes import exit_code
from nodeflow.core.suggest import shorten
from nodeflow.protocol.jobs import JobOptions
from nodeflow.protocol.workflows import InputInfo, WorkflowDetail
from nodeflow.session.reporting import report_of_error
from nodeflow.session.sources import text_of
from nodeflow.storage.outputs import Outputs

_OPTION: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_PICTURES: Final = frozenset({"image_file", "input_file"})
_MODEL: Final = "model_file"
_TAKEN: Final = frozenset({"--help", "--server", "--output-dir", "--input", "--strict", "--json", "--stdout"})
_NAME: Final = "the workflow, its latest version by default; without it all of them are listed"
_INPUT: Final = "input NAME of the workflow, for names that are no options; repeatable"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.usage = "%(prog)s [NAME[@VERSION] [--INPUT VALUE ...]] [options]"
    parser.epilog = "nodeflow call lists the workflows, nodeflow call NAME --help the inputs of one."
    name = parser.add_argument("name", metavar="NAME[@VERSION]", help=_NAME)
    rest = parser.add_argument("rest", nargs=argparse.REMAINDER, default=[], help=argparse.SUPPRESS)
    name.required = rest.required = False  # a place that may be left out by its form would hide a name behind options
    _options(parser)


def execute(args: argparse.Namespace) -> int:
    """Runs it on the server; results go to standard output, everything else to standard error."""
    with Client(args.server or _server(args.rest)) as client:
        if args.name is None:
            return _list(client, args)
        workflow = client.workflow(args.name)
        options = _parser(workflow).parse_args(args.rest, args)
        with reserved_stdout() as out:
            try:
                return _call(client, workflow, options, out)
            except NodeflowError as error:
                report(error, sys.stderr)
                if args.json:
                    out.write(report_of_error(error).line())
                return exit_code(error)


def _options(parser: argparse.ArgumentParser) -> None:
    wire.add_server(parser)
    wire.add_output_dir(parser)
    parser.add_argument("--input", action="append", default=[], metavar="NAME=VALUE", help=_INPUT)
    parser.add_argument("--strict", action="store_true", help="a warning of a node is its failure")
    add_output(parser)


def _list(client: Client, args: argparse.Namespace) -> int:
    page = client.workflows()
    if args.json:
        print(page.model_dump_json())
        return 0
    if not page.workflows:
        print(f"no workflow is published at {client.url}: nodeflow publish FILE --name NAME", file=sys.stderr)
    for each in page.workflows:
        takes = ", ".join(info.name for info in each.inputs)
        print(printable(f"{each.name}@{each.version}  {each.title or each.note}  ({takes})"))
    return 0


def _server(words: Sequence[str]) -> str | None:
    """The server that is named behind the workflow, which only it knows the options of."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    wire.add_server(parser)
    named: str | None = parser.parse_known_args(words)[0].server
    return named


def _parser(workflow: WorkflowDetail) -> argparse.ArgumentParser:
    """The options of one workflow: its inputs, then those of every call."""
    name = f"{workflow.name}@{workflow.version}"
    parser = argparse.ArgumentParser(
        prog=f"nodeflow call {name}", description=workflow.title or workflow.note, allow_abbrev=False
    )
    inputs = parser.add_argument_group("inputs of this workflow", "VALUE is a text or a number; @FILE takes a file")
    _options(parser)
    others: list[str] = []
    for each in workflow.inputs:
        words = list(dict.fromkeys([f"--{each.name}", f"--{each.name.replace('_', '-')}"]))
        if _OPTION.fullmatch(each.name) and not _TAKEN.intersection(words):
            inputs.add_argument(*words, dest=_place(each), metavar=each.type.upper(), help=_help(each))
        else:
            others.append(f"--input {quote(each.name + '=VALUE')}: {_help(each)}")
    parser.epilog = "; ".join(others)
    return parser


def _help(info: InputInfo) -> str:
    title = "" if info.title == info.name else info.title
    default = "required" if info.required else f"default: {shorten(info.value)}"
    return f"{': '.join(filter(None, (title, info.help)))} ({default})".strip().replace("%", "%%")


def _place(info: InputInfo) -> str:
    return f"input {info.name}"


def _call(client: Client, workflow: WorkflowDetail, args: argparse.Namespace, out: BinaryIO) -> int:
    outputs = Outputs(Path(args.output_dir))
    outputs.check()
    names = [each.name for each in workflow.outputs]
    if args.stdout is not None and args.stdout not in names:
        raise UsageError(f"--stdout {args.stdout}: the workflow has no such result; it has {', '.join(names)}")
    inputs = dict(_inputs(client, workflow, args))
    name = f"{workflow.name}@{workflow.version}"
    job = client.call(name, inputs, options=wire.message(JobOptions, strict=args.strict))
    return tell(followed(client, job.id, outputs, args.stdout), args, out)


def _inputs(client: Client, workflow: WorkflowDetail, args: argparse.Namespace) -> Iterator[tuple[str, JsonValue]]:
    """The values that were given, files sent."""
    known: Mapping[str, InputInfo] = {each.name: each for each in workflow.inputs}
    given = wire.inputs(args.input)
    for each in workflow.inputs:
        text: str | None = getattr(args, _place(each), None)
        if text is not None:
            given[each.name] = wire.value_of(text)
    for name, value in given.items():
        yield name, _sent(client, name, known[name].widget if name in known else "", value)


def _sent(client: Client, name: str, widget: str, value: str | Path) -> JsonValue:
    if isinstance(value, str):
        return value
    if not value.is_file():
        raise MissingFile([Problem("file.missing", f"the file for {name} is not there", found=str(value))])
    if widget == _MODEL:
        raise UsageError(f"{name}: model files are not sent to a server; give the name of one that it has")
    if widget in _PICTURES:
        return Sender(client).picture(value, value.name)
    return text_of(name, value)
