"""``nodeflow run``: values, results, streams, exit codes."""

import json
from pathlib import Path
from typing import Any

import pytest

from nodeflow.cli.outcome import SCHEMA, schema_text
from nodeflow.protocol.report import RunReport
from tests.cli.conftest import Shell, document, files_in, interface

JOIN = document(
    {"count": ("Count", {"steps": 4}), "join": ("Join", {"text": "hello", "number": "@count.number"})},
    interface=interface(
        {"prompt": "join.text", "steps": "count.steps"}, {"answer": "join.text", "total": "count.number"}
    ),
)


@pytest.fixture
def joined(place: Path) -> Path:
    path = place / "join.json"
    path.write_bytes(JOIN)
    return path


def test_results_are_written_under_their_names_and_printed(shell: Shell, joined: Path, place: Path) -> None:
    said = shell("run", joined)
    assert said.code == 0
    assert said.out.splitlines() == [
        "output/answer_00001.txt",
        "answer: hello 6",
        "output/total_00001.json",
        "total: 6",
    ]
    assert (place / "output/answer_00001.txt").read_text() == "hello 6"
    assert "count: 4 steps" in said.err


def test_the_json_report_is_alone_on_standard_output_whatever_packs_print(shell: Shell) -> None:
    noisy = document({"n": ("Noisy", {})}, interface=interface({}, {"text": "n.text"}))
    said = shell("run", "-", "--json", "--no-cache", stdin=noisy)
    assert said.code == 0
    assert said.report["outputs"]["text"]["value"] == "x"
    for noise in ("noise from print", "noise from a child process", "noise from C"):
        assert noise in said.err


def test_the_report_follows_its_schema_and_the_schema_is_checked_in(shell: Shell, joined: Path) -> None:
    assert SCHEMA.read_text() == schema_text()
    report = RunReport.model_validate_json(shell("run", joined, "--json").out)
    assert report.status == "ok"
    assert report.outputs["answer"].type == "str"
    assert report.outputs["total"].value == 6
    assert report.nodes["count"].status == "ran"


def test_a_second_run_remembers_and_no_cache_forgets(shell: Shell, joined: Path) -> None:
    slow = ("--set", "count.seconds=0.05")
    shell("run", joined, *slow)
    assert "4 steps" not in shell("run", joined, *slow).err
    assert "4 steps" in shell("run", joined, *slow, "--no-cache").err


def test_values_are_read_by_the_declared_type(shell: Shell, joined: Path) -> None:
    report = shell("run", joined, "--json", "--set", "join.text=123", "--set", "count.steps=2").report
    assert report["outputs"]["answer"]["value"] == "123 1"
    report = shell("run", joined, "--json", "--input", "prompt=a=b", "--input", "steps=3").report
    assert report["outputs"]["answer"]["value"] == "a=b 3"


def test_values_come_from_files_too(shell: Shell, joined: Path, place: Path) -> None:
    (place / "prompt.txt").write_text("from a file", encoding="utf-8")
    (place / "inputs.json").write_text('{"prompt": "from json", "steps": 2}')
    report = shell("run", joined, "--json", "--inputs", "inputs.json").report
    assert report["outputs"]["answer"]["value"] == "from json 1"
    report = shell("run", joined, "--json", "--inputs", "inputs.json", "--input", "prompt=@prompt.txt").report
    assert report["outputs"]["answer"]["value"] == "from a file 1"
    report = shell("run", joined, "--json", "--input", "prompt=@@home").report
    assert report["outputs"]["answer"]["value"] == "@home 6"


def test_a_file_input_takes_a_file_from_anywhere(shell: Shell, place: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.png").write_bytes(b"12345")
    look = document(
        {"look": ("Look", {"file": "none.png"})}, interface=interface({"picture": "look.file"}, {"n": "look.number"})
    )
    said = shell("run", "-", "--json", "--input", f"picture=@{tmp_path / 'elsewhere.png'}", stdin=look)
    assert said.report["outputs"]["n"]["value"] == 5


def test_input_files_are_found_beside_the_document_and_in_the_input_folder(shell: Shell, place: Path) -> None:
    (place / "a.png").write_bytes(b"1")
    (place / "other").mkdir()
    (place / "other" / "a.png").write_bytes(b"22")
    look = document({"look": ("Look", {"file": "a.png"})}, interface=interface({}, {"n": "look.number"}))
    (place / "look.json").write_bytes(look)
    assert shell("run", "look.json", "--json").report["outputs"]["n"]["value"] == 1
    assert shell("run", "look.json", "--json", "--input-dir", "other").report["outputs"]["n"]["value"] == 2


def test_a_target_runs_what_it_needs_and_no_more(shell: Shell, joined: Path) -> None:
    report = shell("run", joined, "--json", "--target", "count").report
    assert list(report["outputs"]) == ["total"]
    report = shell(
        "run", "-", "--json", "--target", "c", stdin=document({"c": ("Count", {}), "b": ("Broken", {})})
    ).report
    assert report["outputs"]["c.number"]["value"] == 3


def test_one_result_goes_to_standard_output_as_a_file(shell: Shell, joined: Path, place: Path) -> None:
    said = shell("run", joined, "--stdout", "answer")
    assert said.out == "hello 6"
    assert files_in(place / "output") == ["total_00001.json"]
    said = shell("run", joined, "--stdout", "nothing")
    assert said.code == 2
    assert "answer, total" in said.err


def test_only_one_file_fits_on_standard_output(shell: Shell, place: Path) -> None:
    paint = document({"p": ("Paint", {"batch": 2})}, interface=interface({}, {"pictures": "p.image"}))
    said = shell("run", "-", "--stdout", "pictures", stdin=paint)
    assert (said.code, said.out) == (2, "")
    assert "2 files" in said.err
    broken = document({"b": ("Broken", {})}, interface=interface({}, {"text": "b.text"}))
    said = shell("run", "-", "--stdout", "text", stdin=broken)
    assert (said.code, said.out) == (5, "")


def test_what_a_node_saves_is_not_written_twice(shell: Shell, place: Path) -> None:
    both = document(
        {"join": ("Join", {"text": "a"}), "write": ("Write", {"text": "@join.text", "prefix": "sub/kept"})},
        interface=interface({}, {"answer": "join.text"}),
    )
    report = shell("run", "-", "--json", stdin=both).report
    assert report["saved"] == {"write": ["output/sub/kept_00001.txt"]}
    assert report["outputs"]["answer"]["paths"] == ["output/sub/kept_00001.txt"]
    assert [path.name for path in (place / "output").iterdir()] == ["sub"]


def test_expanding_and_lazy_nodes_run_here_too(shell: Shell) -> None:
    nodes = document(
        {
            "start": ("Join", {"text": "go"}),
            "times": ("Times", {"text": "@start.text", "turns": 3}),
            "bad": ("Broken", {}),
            "choose": ("Choose", {"first": True, "yes": "@times.text", "no": "@bad.text"}),
            "write": ("Write", {"text": "@choose.out"}),
        },
        interface=interface({}, {"answer": "choose.out"}),
    )
    said = shell("run", "-", "--json", stdin=nodes)
    assert said.report["outputs"]["answer"]["value"] == "go 0 0 1 2", said
    assert Path(said.report["saved"]["write"][0]).read_text() == "go 0 0 1 2"


def test_strict_makes_warnings_failures(shell: Shell) -> None:
    warner = document({"w": ("Warner", {})}, interface=interface({}, {"text": "w.text"}))
    said = shell("run", "-", "--json", stdin=warner)
    assert said.report["warnings"] == [{"node": "w", "message": "the prompt was cut"}]
    assert "warning: w: the prompt was cut" in said.err
    assert said.report["shown"] == {"w": ["shown text", None]}
    assert "w: shown text" in said.err
    assert shell("run", "-", "--strict", stdin=warner).code == 5


def test_a_shipped_workflow_has_a_name(shell: Shell) -> None:
    said = shell("check", "txt2img")
    assert said.code in (0, 4), "only the model may be missing"


def test_a_misspelt_workflow_gets_the_nearest_names(shell: Shell) -> None:
    said = shell("run", "txt2imj")
    assert said.code == 4
    assert "txt2img" in said.err


def usage_mistakes() -> list[tuple[list[str], str]]:
    return [
        (["run"], "FILE"),
        (["runn"], "did you mean run"),
        (["run", "x.json", "--json", "--stdout", "a"], "not allowed"),
        (["run", "-", "--set", "join"], "NODE.INPUT=VALUE"),
        (["run", "-", "--set", "prompt=1"], "--input"),
        (["run", "-", "--input", "=1"], "NAME=VALUE"),
        (["run", "-", "--dtype", "fp17"], "fp17"),
        (["run", "-", "--device", "tpu"], "expected cpu"),
        (["run", "-", "--device", "cuda:99"], "try cpu"),
        (["run", "-", "--inputs", "list.json"], "JSON object"),
        (["run", "-", "--inputs", "broken.json"], "not usable as JSON"),
        (["run", "-", "--inputs", "twice.json"], "is given twice"),
        (["run", "-", "--input", "prompt=@binary"], "UTF-8"),
        (["nodes", "KSampla"], "did you mean KSampler"),
    ]


@pytest.mark.parametrize(("words", "message"), usage_mistakes())
def test_a_wrong_word_is_a_usage_error(shell: Shell, place: Path, words: list[str], message: str) -> None:
    (place / "list.json").write_text("[]")
    (place / "broken.json").write_text("{")
    (place / "twice.json").write_text('{"prompt": "a", "prompt": "b"}')
    (place / "binary").write_bytes(b"\xff\xfe\x00")
    said = shell(*words, stdin=JOIN)
    assert said.code == 2, said
    assert message in said.err
    assert said.out == ""


def test_a_missing_inputs_file_or_input_is_a_missing_file(shell: Shell) -> None:
    for option in ("--inputs=none.json", "--input=prompt=@none.txt"):
        said = shell("run", "-", option, stdin=JOIN)
        assert said.code == 4
        assert "none." in said.err


def test_help_and_version_are_there(shell: Shell) -> None:
    assert "reproduce" in shell("--help").out
    assert shell("run", "--help").code == 0
    assert shell("--version").out.startswith("nodeflow 0")
    assert shell().code == 2


def test_problems_are_in_the_report(shell: Shell) -> None:
    said = shell("run", "-", "--json", stdin=document({"c": ("Count", {"steps": 0}), "j": ("Join", {})}))
    assert said.code == 3
    problems: list[dict[str, Any]] = said.report["problems"]
    assert {(item["node"], item["input"]) for item in problems if item["severity"] == "error"} == {
        ("c", "steps"),
        ("j", "text"),
    }
    assert said.report["status"] == "invalid"
    assert (
        json.loads(shell("check", "-", "--json", stdin=document({"c": ("Count", {"steps": 0})})).out)[0]["node"] == "c"
    )
