"""Each planted bug is found and named, with the line and the way out; a clean pack has none."""

import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nodeflow.core.errors import UsageError
from nodeflow.testing import Finding, assert_pack, check_pack

PACKS = Path(__file__).parent / "bad_packs"

BUGS = [
    ("connects", "node.network", "connects.Weather", "a connection to 192.0.2.1"),
    ("crashes", "node.crashed", "crashes.Fall", "exit code 7"),
    ("default_no_choice", "node.unreadable", "default_no_choice.Say", "its default 'sad' is none of 'glad', 'calm'"),
    ("default_not_offered", "input.default", "default_not_offered.Say", 'the default "sad" of "mood" is refused'),
    ("default_out_of_range", "input.default", "default_out_of_range.Add", "11 is above the range"),
    ("evals", "code.dynamic", "", "eval is called"),
    ("fails", "node.fails", "fails.Divide", "ZeroDivisionError"),
    ("hangs", "node.hangs", "hangs.Wait", "did not come back"),
    ("heavy_import", "import.heavy", "", "imports torch"),
    ("import_connects", "import.network", "", "a connection to 192.0.2.1"),
    ("import_fails", "import.fails", "", "ValueError: not today"),
    ("import_hangs", "import.fails", "", "did not come back"),
    ("import_prints", "import.print", "", 'it prints "welcome"'),
    ("mutates", "input.mutated", "mutates.Smallest", 'changes its input "numbers"'),
    ("mutates_image", "input.mutated", "mutates_image.Dim", 'changes its input "image"'),
    ("no_input_docs", "docs.input", "no_input_docs.Add", 'the input "number" has no description'),
    ("no_nbytes", "value.nbytes", "no_nbytes.Silence", "Sound holds data and has no nbytes"),
    ("no_nbytes_unseen", "value.nbytes", "no_nbytes_unseen.Load", "Weights holds data and has no nbytes"),
    ("no_node_docs", "docs.node", "no_node_docs.Add", "the node has no description"),
    ("prints", "node.prints", "prints.Add", 'it prints "adding"'),
    ("prints_natively", "node.prints", "prints_natively.Add", "adding natively"),
    ("reads_file", "file.read", "reads_file.Count", "it reads words.txt"),
    ("requires_more", "pack.requires", "", "nosuchpack"),
    ("same_id", "id.twice", "same_id.Add", "two functions of the pack have this id"),
    ("slow_import", "import.slow", "", "more than 1 s"),
    ("taken_name", "id.taken", "", "socket type 'Sound' is claimed by 'rival' and 'taken_name'"),
    ("unseeded", "node.random", "unseeded.Roll", 'different values of "number"'),
    ("unseeded_tensor", "node.random", "unseeded_tensor.Noise", 'different values of "image"'),
    ("writes_file", "file.write", "writes_file.Note", "it writes note.txt"),
    ("wrong_field", "result.type", "wrong_field.Halve", '"words" is declared as list[str], and a list with int in it'),
    ("wrong_length", "result.count", "wrong_length.Halve", "returned 3 values, but declares 2"),
    ("wrong_prefix", "id.prefix", "other.Add", "does not start with wrong_prefix."),
    ("wrong_type", "result.type", "wrong_type.Invert", "declared as Image, and int was returned"),
]
ALSO = {"crashes": {"result.type"}, "hangs": {"result.type"}, "no_nbytes_unseen": {"node.not_run"}}
"""What is found beside the bug: the other node of a pack is tried after the first one has brought a process down."""

NO_LINE = {"import_hangs", "requires_more", "slow_import", "taken_name"}
RIVAL = """
from nodeflow.api import Pack, Socket


class Sound: ...


pack = Pack("rival", "1.0", sockets=(Socket(Sound, "Noise"),))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Sequence[Finding]]:
    """What is found in each pack; a few are checked at a time, because each has to be run in a process of its own."""
    folder = tmp_path_factory.mktemp("packs")
    home = tmp_path_factory.mktemp("home")
    (home / "packs" / "rival").mkdir(parents=True)
    (home / "packs" / "rival" / "__init__.py").write_text(RIVAL)

    def findings(pack: Path) -> Sequence[Finding]:
        copy = shutil.copytree(pack, folder / pack.name, ignore=shutil.ignore_patterns("__pycache__"))
        return check_pack(copy, seconds=2 if "hangs" in pack.name else 30, write_spec=True)

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(max_workers=3) as pool:
        patch.setenv("NODEFLOW_HOME", str(home))
        packs = [pack for pack in sorted(PACKS.iterdir()) if pack.is_dir()]
        return dict(zip((pack.name for pack in packs), pool.map(findings, packs), strict=True))


@pytest.mark.parametrize(("pack", "code", "node", "words"), BUGS, ids=[bug[0] for bug in BUGS])
def test_a_planted_bug_is_named(
    found: Mapping[str, Sequence[Finding]], pack: str, code: str, node: str, words: str
) -> None:
    findings = [finding for finding in found[pack] if finding.code == code]
    assert findings, found[pack]
    for finding in findings:
        assert finding.node == node
        assert words in finding.message
        assert finding.way_out
    if pack not in NO_LINE:
        assert Path(findings[0].file).parent.name == pack
        assert findings[0].line > 0
    assert {finding.code for finding in found[pack]} <= {code, *ALSO.get(pack, ())}, found[pack]


def test_a_clean_pack_has_no_findings(found: Mapping[str, Sequence[Finding]]) -> None:
    assert list(found["clean"]) == []


def test_every_planted_bug_is_in_the_table(found: Mapping[str, Sequence[Finding]]) -> None:
    assert set(found) == {bug[0] for bug in BUGS} | {"clean"}


def test_a_line_of_a_finding_is_the_line_of_the_fault(found: Mapping[str, Sequence[Finding]]) -> None:
    for pack, text in (("evals", "eval("), ("writes_file", "write_text"), ("prints", "print("), ("fails", "//")):
        finding = found[pack][0]
        assert text in Path(finding.file).read_text().splitlines()[finding.line - 1]
        assert str(finding).startswith(f"{finding.file}:{finding.line}: ")


def test_the_test_of_a_pack_tells_all_errors_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODEFLOW_HOME", str(tmp_path / "home"))
    shutil.copytree(PACKS / "no_input_docs", tmp_path / "no_input_docs")
    with pytest.raises(AssertionError) as told:
        assert_pack(tmp_path / "no_input_docs")
    assert "2 findings" in str(told.value)
    assert "[docs.input]" in str(told.value)
    assert "[snapshot.missing]" in str(told.value)


def test_what_is_no_pack_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODEFLOW_HOME", str(tmp_path))
    with pytest.raises(UsageError, match="neither a folder nor an installed pack"):
        check_pack("nosuchpack")
    with pytest.raises(UsageError, match="has neither pyproject"):
        check_pack(tmp_path)
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    with pytest.raises(UsageError, match="there is no"):
        check_pack(tmp_path)
    (tmp_path / "pyproject.toml").write_text("[project.entry-points.'nodeflow.packs']\nx = 'x'\n")
    with pytest.raises(UsageError, match="names the package x"):
        check_pack(tmp_path)


def test_examples_of_the_author_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODEFLOW_HOME", str(tmp_path / "home"))
    package = shutil.copytree(PACKS / "fails", tmp_path / "project" / "fails")
    project = package.parent
    (project / "pyproject.toml").write_text("[project.entry-points.'nodeflow.packs']\nfails = 'fails'\n")
    (project / "tests").mkdir()
    examples = project / "tests" / "examples.py"
    examples.write_text(
        "from nodeflow.testing import example\n\n\n"
        "@example('fails.Divide')\ndef by_two() -> dict[str, object]:\n    return {'number': 6, 'by': 2}\n"
    )
    assert check_pack(project, write_spec=True) == []
    examples.write_text(examples.read_text().replace("'by': 2", "'by': 1 // 0"))
    (finding,) = check_pack(project)
    assert (finding.code, finding.node) == ("example.fails", "fails.Divide")
    assert finding.place == f"{examples}:4"
    assert finding.message == "the example by_two raised ZeroDivisionError: integer division or modulo by zero"
    examples.write_text(examples.read_text().replace("'fails.Divide'", "'fails.Divied'"))
    (finding, _) = check_pack(project)
    assert finding.message == 'the example by_two is for the node "fails.Divied", which the pack does not have'
    assert (finding.place, finding.way_out) == (f"{examples}:4", 'did you mean "fails.Divide"?')
    examples.write_text("1 / 0\n")
    found = check_pack(project)
    assert {finding.code for finding in found} == {"example.fails", "node.fails"}
