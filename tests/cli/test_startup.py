"""What a command does not load: checking needs no torch, and a remembered run does not open the model."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import save_file

from tests.nodes.conftest import SETTINGS, micro_weights

WITHOUT_TORCH = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "numpy", "PIL", "transformers", "safetensors", "rich", "aiohttp"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
from nodeflow.cli.main import main
code = main(sys.argv[1:])
import resource
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime + used.ru_stime)
raise SystemExit(code)
"""

WATCHED = """
import sys
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
from nodeflow.cli.main import main
code = main(sys.argv[1:])
assert code == 0, code
models = [name for name in opened if name.endswith("micro.safetensors")]
print(len(models), "nodeflow_nodes.sampling" in sys.modules, file=sys.stderr)
"""


def python(code: str, place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "NODEFLOW_HOME": str(place / "home"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", code, *words]
    return subprocess.run(command, cwd=place, env=env, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("words", [["check", "txt2img"], ["nodes"], ["nodes", "KSampler"], ["models"], ["--help"]])
def test_looking_works_without_torch_in_an_empty_home(tmp_path: Path, words: list[str]) -> None:
    done = python(WITHOUT_TORCH, tmp_path, *words)
    assert done.returncode in (0, 4), done.stderr
    assert "Traceback" not in done.stderr


def test_checking_takes_less_than_half_a_second_of_processor_time(tmp_path: Path) -> None:
    times = [float(python(WITHOUT_TORCH, tmp_path, "check", "txt2img").stdout.split()[-1]) for _ in range(3)]
    assert min(times) < 0.5, times


def test_importing_nodeflow_loads_nearly_nothing(tmp_path: Path) -> None:
    code = "import sys; before = set(sys.modules); import nodeflow; print(*(set(sys.modules) - before))"
    loaded = python(code, tmp_path).stdout.split()
    assert {name for name in loaded if name.startswith("nodeflow")} == {"nodeflow", "nodeflow.version"}
    assert "torch" not in loaded


def test_a_finished_workflow_runs_again_in_a_new_process_without_its_model(tmp_path: Path) -> None:
    model = tmp_path / "home/models/checkpoints/micro.safetensors"
    model.parent.mkdir(parents=True)
    save_file(micro_weights(), model, {"nodeflow.config": json.dumps(SETTINGS)})
    words = ("run", "txt2img", "--json", "--set", "base.checkpoint=micro.safetensors", "--output-dir")
    first, second = (python(WATCHED, tmp_path, *words, folder) for folder in ("one", "two"))
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert not first.stderr.endswith("0 True\n")
    reports = [json.loads(done.stdout) for done in (first, second)]
    assert {id for id, node in reports[1]["nodes"].items() if node["status"] == "ran"} == {"save"}
    assert second.stderr.splitlines()[-1] == "0 False"
    pictures = [(tmp_path / report["outputs"]["picture"]["paths"][0]).read_bytes() for report in reports]
    assert pictures[0] == pictures[1]
