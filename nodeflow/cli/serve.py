"""``nodeflow serve``: takes jobs over HTTP, until Ctrl-C or SIGTERM."""

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from nodeflow.client.address import DEFAULT_URL
from nodeflow.server.equipment import Equipment
from nodeflow.server.serve import run_server
from nodeflow.server.settings import server_settings
from nodeflow.storage.home import find_home, read_config

_HOST: Final = "address to listen on; any other than one of this machine needs a token (default: 127.0.0.1)"
_PORT: Final = f"port to listen on; 0 takes a free one (default: {DEFAULT_URL.rpartition(':')[2]})"
_WORKERS: Final = "a process for each: cpu, cpu*2, cuda:0, or several with commas (default: each GPU, else the CPU)"
_ATTEMPTS: Final = "how often a job may lose its worker before it is failed (default: 2)"
_PREWARM: Final = "workflow whose models are loaded before a job asks for them; repeatable"
_EPILOG: Final = (
    "Everything that can be set is in [server] of config.toml too; an option counts before the file. Jobs, documents "
    "and tokens are kept in $NODEFLOW_HOME (default: ~/.nodeflow)."
)

_SETTINGS: Final[Mapping[str, Mapping[str, object]]] = {
    "host": {"metavar": "ADDRESS", "help": _HOST},
    "port": {"metavar": "N", "help": _PORT},
    "workers": {"metavar": "DEVICES", "help": _WORKERS},
    "name": {"dest": "names", "action": "append", "metavar": "HOST", "help": "further name of this server; repeatable"},
    "origin": {"dest": "origins", "action": "append", "metavar": "URL", "help": "page that may use it; repeatable"},
    "webhook-host": {"dest": "webhook_hosts", "action": "append", "metavar": "HOST", "help": "host that jobs may tell"},
    "require-token": {"action": "store_true", "help": "ask for a token on this machine, too"},
    "published-only": {"action": "store_true", "help": "run nothing but published workflows"},
    "start-paused": {"action": "store_true", "help": "begin no job before `nodeflow jobs resume`"},
    "attempts": {"metavar": "N", "help": _ATTEMPTS},
}
"""Options that are settings of the server; only those that are given are in the arguments."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.epilog = _EPILOG
    for name, keywords in _SETTINGS.items():
        parser.add_argument(f"--{name}", default=argparse.SUPPRESS, **keywords)  # type: ignore[arg-type]
    add = parser.add_argument
    add("--prewarm", action="append", default=[], metavar="FILE", help=_PREWARM)
    add("--models-dir", action="append", default=[], metavar="DIR", help="models in DIR/checkpoints/…; repeatable")
    add("--dtype", choices=("auto", "fp32", "bf16"), default="auto", help="precision of the networks")
    add("--dev", action="store_true", help="for authors of packs: workers restart when a file of a pack is saved")


def execute(args: argparse.Namespace) -> int:
    """Serves; 0 after an orderly stop."""
    home = find_home(os.environ)
    fields = {str(keywords.get("dest", name.replace("-", "_"))) for name, keywords in _SETTINGS.items()}
    options = {name: value for name, value in vars(args).items() if name in fields}
    settings = server_settings(read_config(home).server, options)
    models_dirs = tuple(Path(folder).absolute() for folder in args.models_dir)
    run_server(settings, home, Equipment(models_dirs, args.dtype, args.dev, _documents(args.prewarm)))
    return 0


def _documents(names: Sequence[str]) -> Sequence[bytes]:
    if not names:
        return ()
    from nodeflow.session.workplace import Workplace

    place = Workplace.at()
    return [place.load(name).document.dumps() for name in names]
