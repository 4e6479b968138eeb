"""The files that put a server into operation agree with the server, with the README and with what reads them."""

import argparse
import configparser
import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from nodeflow.cli import serve, token
from nodeflow.server.settings import ServerSettings
from tests.cli.liveserver import LiveServer

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "deploy/nodeflow.service"
DOCKERFILE = ROOT / "deploy/Dockerfile"
PROGRAM = "/opt/nodeflow/bin/nodeflow"
INSTALL = re.compile(r"(-m venv) \S+|(-m pip install -q)\b")


def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(UNIT.read_text())
    return parser


def instructions() -> list[tuple[str, str]]:
    """What a Dockerfile says, in order, with lines joined."""
    lines = [line for line in DOCKERFILE.read_text().splitlines() if line and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in joined.splitlines())]


def instruction(name: str) -> str:
    (found,) = [rest for each, rest in instructions() if each == name]
    return found


def parsed(words: list[str]) -> argparse.Namespace:
    """Arguments as the shell would take them; one that it does not know ends the test."""
    command = {"serve": serve, "token": token}[words[0]]
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args(words[1:])


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    assert unit().sections() == ["Unit", "Service", "Install"]
    assert unit()["Install"]["WantedBy"] == "multi-user.target"
    if verify := shutil.which("systemd-analyze"):
        copy = tmp_path / UNIT.name
        copy.write_text(UNIT.read_text().replace(PROGRAM, sys.executable))
        done = subprocess.run([verify, "verify", copy], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")


def test_the_service_starts_the_server_as_its_own_user_in_its_own_folder() -> None:
    service = unit()["Service"]
    program, *words = shlex.split(service["ExecStart"])
    assert program == PROGRAM
    assert words[0] == "serve"
    parsed(words)
    assert service["User"] not in ("", "root")
    assert service["Environment"] == f"NODEFLOW_HOME=/var/lib/{service['StateDirectory']}"


def test_the_service_gives_the_server_the_time_that_it_takes_to_stop() -> None:
    service = unit()["Service"]
    assert float(service["TimeoutStopSec"]) > ServerSettings().stop_seconds
    assert service["KillMode"] == "mixed", "only the server is asked to stop: it asks its workers itself"
    assert service["OOMPolicy"] == "continue", "the end of a worker is not the end of the server"


def test_the_container_starts_the_server_as_another_user_than_root() -> None:
    names = [name for name, _ in instructions()]
    assert instruction("USER") not in ("root", "0")
    assert names.index("USER") > names.index("RUN")
    command = [*json.loads(instruction("ENTRYPOINT")), *json.loads(instruction("CMD"))]
    assert command[0] == "nodeflow"
    assert parsed(command[1:]).host == "0.0.0.0", "or nobody outside of the container could reach it"
    assert int(instruction("EXPOSE")) == ServerSettings().port
    assert instruction("VOLUME") in instruction("ENV")


def test_the_health_check_of_the_container_is_one(tmp_path: Path) -> None:
    program, option, code = json.loads(instruction("HEALTHCHECK").partition("CMD ")[2])
    assert (program, option) == ("python", "-c")
    server = LiveServer(tmp_path, tmp_path / "log.txt")
    asked = [sys.executable, "-c", code.replace(str(ServerSettings().port), str(server.port))]
    try:
        assert subprocess.run(asked, capture_output=True).returncode == 0
    finally:
        assert server.stop() == 0
    assert subprocess.run(asked, capture_output=True).returncode != 0


def test_the_container_is_set_up_by_the_commands_of_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    setup = readme.partition("## Set up")[2].partition("## ")[0]
    told = ["".join(match) for match in INSTALL.findall(setup)]
    assert told == ["-m venv", "-m pip install -q"]
    for text in (instruction("RUN"), UNIT.read_text()):
        assert ["".join(match) for match in INSTALL.findall(text)] == told


def test_the_container_gets_what_the_package_is_built_from_and_no_more() -> None:
    lines = DOCKERFILE.with_name("Dockerfile.dockerignore").read_text().splitlines()
    assert lines[0] == "*"
    let_through = {line[1:] for line in lines if line.startswith("!")}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]
    needed = {"pyproject.toml", project["project"]["readme"], *(name.partition("/")[0] for name in wheel)}
    needed |= {name.partition("/")[0] for name in project["project"]["license-files"]}
    assert let_through == needed
    assert all((ROOT / name).exists() for name in let_through)


def test_what_the_files_say_to_type_can_be_typed() -> None:
    for text, start in ((UNIT.read_text(), f"{PROGRAM} "), (DOCKERFILE.read_text(), "nodeflow:/data nodeflow ")):
        for words in re.findall(rf"{re.escape(start)}((?:token|serve)[^\n&|]*)", text):
            parsed(shlex.split(words))
