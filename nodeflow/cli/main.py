"""The ``nodeflow`` command: picks a subcommand, and turns what goes wrong into a message and an exit code."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Final, NoReturn, Protocol, cast

from nodeflow.cli.messages import report
from nodeflow.core.errors import NodeflowError, OutOfMemory
from nodeflow.core.exitcodes import exit_code
from nodeflow.version import __version__

COMMANDS: Final[Mapping[str, str]] = {
    "run": "run a workflow",
    "sweep": "run a workflow with many values, and lay the pictures out",
    "check": "say everything that is wrong with a workflow, without running it",
    "explain": "say which nodes would run again, and why",
    "nodes": "list the nodes there are, or show one",
    "models": "list the folders of models and the files in them, or verify those of a workflow",
    "convert": "make a pickled model file (.ckpt, .pt) a safetensors file, running nothing that is in it",
    "lock": "write into a workflow exactly which packs and models it needs",
    "pack": "write a new pack, find what is wrong with one, or list those that are installed",
    "reproduce": "make a picture again from what is embedded in it, and compare",
    "serve": "take jobs over HTTP and keep them until they are done",
    "submit": "put a workflow into the queue of a server, and print the id of the job",
    "jobs": "list the jobs of a server, show one, pause the queue, and so on",
    "watch": "follow a job of a server to its end, and fetch what it has made",
    "cancel": "stop a job of a server, and no other",
    "publish": "give a workflow a name on a server, under which others may call it",
    "call": "run a workflow that was published on a server",
    "token": "make, list, replace and revoke the tokens that let clients in",
}
"""Each is a module of this package, imported only when it is asked for."""

INTERRUPTED: Final = 130


class Command(Protocol):
    """What the module of a subcommand provides."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare options."""
        ...

    def execute(self, args: argparse.Namespace) -> int:
        """Do it; returns the exit code."""
        ...


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        argv: The words after ``nodeflow``; those of the process by default.

    Returns:
        The exit code: 0 ok, 2 usage, 3 document invalid, 4 model or file missing, 5 node failed, 6 out of memory,
        7 pack failed, 8 no server that could do it now, 130 interrupted; ``reproduce`` gives 1 for a picture that came
        out differently.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _dispatch(words)
    except SystemExit as stop:  # argparse ends this way, with 0 for --help and 2 for a mistake
        return stop.code if isinstance(stop.code, int) else 2
    except NodeflowError as error:
        report(error, sys.stderr)
        return exit_code(error)
    except MemoryError:
        print("error: out of memory", file=sys.stderr)
        return OutOfMemory.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # whoever read our output has seen enough
        _discard_stdout()
        return 0


def _dispatch(words: Sequence[str]) -> int:
    parser = _parser()
    if not words or words[0] not in COMMANDS:
        parser.parse_args(words)
        parser.print_help()
        return 2
    name = words[0]
    command = cast(Command, import_module(f"nodeflow.cli.{name}"))
    summary = COMMANDS[name]
    description = f"{summary[0].upper()}{summary[1:]}."
    own = argparse.ArgumentParser(prog=f"nodeflow {name}", description=description, allow_abbrev=False)
    command.add_arguments(own)
    return command.execute(own.parse_args(words[1:]))


def _parser() -> argparse.ArgumentParser:
    commands = "\n".join(f"  {name:<10} {summary}" for name, summary in COMMANDS.items())
    parser = _Parser(
        prog="nodeflow",
        usage="nodeflow [--version] COMMAND …",
        description="A workflow engine for diffusion models.",
        epilog=f"commands:\n{commands}\n\nnodeflow COMMAND --help tells more about one.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"nodeflow {__version__}")
    return parser


class _Parser(argparse.ArgumentParser):
    """Names the nearest command when the first word is none."""

    def error(self, message: str) -> NoReturn:
        from difflib import get_close_matches

        words = message.removeprefix("unrecognized arguments: ").split()
        near = get_close_matches(words[0], COMMANDS, 1) if words else []
        hint = f"; did you mean {near[0]}?" if near else ""
        self.exit(2, f"nodeflow: {message}{hint}\n{self.format_usage()}")


def _discard_stdout() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


if __name__ == "__main__":
    raise SystemExit(main())
