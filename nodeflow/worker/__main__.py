"""``python -m nodeflow.worker``: started by a server, never by hand."""

import argparse
import logging
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from nodeflow.core.errors import NodeflowError
from nodeflow.core.exitcodes import exit_code
from nodeflow.protocol.work import Refused
from nodeflow.worker.channel import Channel
from nodeflow.worker.lifeline import hang_on


def main(arguments: Sequence[str]) -> int:
    """Works for the server at the other end of a socket; returns when that says that it is enough."""
    options = _options(arguments)
    hang_on(options.server)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    channel = Channel(socket.socket(fileno=options.fd))
    try:
        return _work(options, channel)
    except NodeflowError as error:
        channel.send(Refused(message=str(error)))
        return exit_code(error)


def _work(options: argparse.Namespace, channel: Channel) -> int:
    from nodeflow.session.memory import keep_one_arena
    from nodeflow.session.session import Session
    from nodeflow.worker.worker import Worker, warm_up

    keep_one_arena()
    session = Session(
        options.home,
        models_dirs=options.models_dir,
        output_dir=Path(options.home, "output"),
        device=options.device,
        dtype=options.dtype,
        dev=options.dev,
    )
    Worker(session, channel, options.idle_release).work(_nothing if options.cold else warm_up)
    return 0


def _nothing() -> None:
    return None


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m nodeflow.worker", description=__doc__)
    add = parser.add_argument
    add("--fd", type=int, required=True, help="socket to the server")
    add("--server", type=int, required=True, help="process id of the server")
    add("--home", type=Path, required=True, help="the user's folder")
    add("--device", default="auto", help="cpu, cuda:0, or auto")
    add("--dtype", default="auto", help="precision of the networks")
    add("--models-dir", action="append", type=Path, default=[], help="models in DIR/checkpoints/…; repeatable")
    add("--idle-release", type=float, help="let go of memory after so many seconds without a job")
    add("--dev", action="store_true", help="a node that changes its inputs fails")
    add("--cold", action="store_true", help="import nothing before the first job needs it")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    from nodeflow.worker.worker import leave

    leave(main(sys.argv[1:]))
