"""``nodeflow pack``: write a new pack, find what is wrong with one, list those that are installed."""

import argparse
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from nodeflow.core.errors import PackFailed
from nodeflow.core.json import JsonValue
from nodeflow.core.registry import Registry
from nodeflow.session.workplace import Workplace
from nodeflow.storage.home import find_home
from nodeflow.testing.findings import SECONDS, Finding, errors


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    commands = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    new = commands.add_parser("new", help="write a pack to start from: sources, tests, workflow", allow_abbrev=False)
    new.add_argument("name", metavar="NAME", help="name of the project, such as film-look")
    new.add_argument("--dir", default=".", metavar="DIR", help="folder in which the pack's folder is made")
    check = commands.add_parser("check", help="say everything that is wrong with a pack", allow_abbrev=False)
    check.add_argument("pack", metavar="DIR", help="folder of the pack, or the name of an installed one")
    check.add_argument("--json", action="store_true", help="print the findings as one JSON object")
    check.add_argument("--write-spec", action="store_true", help="write spec.json anew before comparing with it")
    check.add_argument("--seconds", type=float, default=SECONDS, help="how long one run of a node may take")
    listed = commands.add_parser("list", help="list the packs that are installed", allow_abbrev=False)
    listed.add_argument("--json", action="store_true", help="print one JSON object")


def execute(args: argparse.Namespace) -> int:
    """Does what is asked for; 7 when a pack has errors."""
    return {"new": _new, "check": _check, "list": _list}[args.action](args)


def _new(args: argparse.Namespace) -> int:
    from nodeflow.cli.scaffolding import names_of, write_pack

    names = names_of(args.name, find_home(os.environ))
    folder, files = write_pack(names, Path(args.dir))
    for file in sorted(files):
        print(folder / file)
    print(f"\nnext: cd {folder} && python -m pip install -e '.[dev]' && nodeflow pack check . && pytest")
    return 0


def _check(args: argparse.Namespace) -> int:
    from nodeflow.testing.packcheck import check_pack

    findings = check_pack(args.pack, seconds=args.seconds, write_spec=args.write_spec)
    failed = bool(errors(findings))
    if args.json:
        report = {"pack": args.pack, "ok": not failed, "findings": [_as_json(finding) for finding in findings]}
        print(json.dumps(report, ensure_ascii=False))
    else:
        for line in _told(args.pack, findings):
            print(line)
    return PackFailed.exit_code if failed else 0


def _told(pack: str, findings: Sequence[Finding]) -> Iterator[str]:
    """Findings by node, those about the pack as a whole first."""
    grouped: dict[str, list[Finding]] = {"": []}
    for finding in findings:
        grouped.setdefault(finding.node, []).append(finding)
    for node, found in grouped.items():
        if found:
            yield f"{node or pack}:"
        for finding in found:
            yield f"  {finding.severity}: {finding.message} [{finding.code}]"
            if finding.file:
                yield f"    at {_near(finding)}"
            yield f"    → {finding.way_out}"
    failed = len(errors(findings))
    notes = len(findings) - failed
    told = [_count(number, word) for number, word in ((failed, "error"), (notes, "note")) if number]
    yield f"{pack}: {', '.join(told) or 'ok'}"


def _near(finding: Finding) -> str:
    """The place of a finding from the working folder, where it lies below."""
    path = Path(finding.file)
    near = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    return f"{near}:{finding.line}" if finding.line else str(near)


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _as_json(finding: Finding) -> Mapping[str, JsonValue]:
    return {
        "code": finding.code,
        "severity": finding.severity,
        "node": finding.node or None,
        "message": finding.message,
        "way_out": finding.way_out,
        "file": finding.file or None,
        "line": finding.line or None,
    }


def _list(args: argparse.Namespace) -> int:
    registry = Workplace.at().registry
    if args.json:
        print(json.dumps({"packs": list(_rows(registry))}, ensure_ascii=False))
        return 0
    for row in _rows(registry):
        print(f"{row['name']} {row['version']}  {_count(int(str(row['nodes'])), 'node')}  {row['path'] or ''}".rstrip())
        problems = row["problems"]
        for problem in problems if isinstance(problems, list) else []:
            print(f"  problem: {problem}")
    return 0


def _rows(registry: Registry) -> Iterator[dict[str, JsonValue]]:
    names = dict.fromkeys([*registry.packs, *(problem.pack for problem in registry.problems)])
    for name in names:
        pack = registry.packs.get(name)
        root = registry.roots.get(name)
        yield {
            "name": name,
            "version": pack.version if pack is not None else "",
            "nodes": len(pack.specs) if pack is not None else 0,
            "path": str(root) if root is not None else None,
            "problems": [problem.reason for problem in registry.problems if problem.pack == name],
        }
