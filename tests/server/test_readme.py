"""What the README of the server lists is what there is."""

import re
from pathlib import Path

import nodeflow.server
from nodeflow.protocol.errors import STATUS

FOLDER = Path(nodeflow.server.__file__).parent
README = (FOLDER / "README.md").read_text(encoding="utf-8")


def test_every_code_stands_in_the_readme_with_its_status() -> None:
    rows = re.findall(r"^\| (`.*?`) \| (\d{3}) \|", README, re.MULTILINE)
    listed = {code: int(status) for codes, status in rows for code in re.findall("`([^`]+)`", codes)}
    assert listed == dict(STATUS)


def test_every_file_stands_in_the_readme() -> None:
    table = README[README.index("## Files, by subject") : README.index("## Refusals")]
    named = set(re.findall(r"`([a-z_]+)/?`", table))
    there = {each.stem for each in FOLDER.iterdir() if each.is_dir() or each.suffix == ".py"}
    assert there - {"__init__", "__pycache__"} == named
