"""The benchmarks of networks still run what they say, on a small checkpoint; no time is asserted here."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

import nodeflow_nodes

TINY = Path(nodeflow_nodes.__path__[0]) / "models" / "checkpoints" / "emoji-tiny.safetensors"


def script(name: str) -> ModuleType:
    path = Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_both_sides_of_a_step_compute_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    speed = script("diffusion_speed")
    rows = list(speed.measured(TINY, pixels=128, dtypes=["fp32", "bf16"], rounds=1))
    assert [(row.side, row.dtype) for row in rows] == [
        ("nodeflow", "fp32"),
        ("diffusers", "fp32"),
        ("nodeflow", "bf16"),
        ("diffusers", "bf16"),
    ]
    assert rows[0].distance < 1e-5
    assert all(row.distance < 0.03 for row in rows)
    speed.main(["--checkpoint", str(TINY), "--pixels", "128", "--dtypes", "fp32", "--rounds", "1"])
    assert "ratio 1.000" in capsys.readouterr().out


def test_a_checkpoint_is_not_read_before_it_is_used() -> None:
    load = script("model_load")
    before = load.memory()
    network = load.nodeflow_side(TINY, "fp32")()
    assert set(before) == {"RssAnon", "RssFile", "VmHWM"}
    assert network.config.context_dim > 0


def test_a_run_in_bf16_ends_near_that_in_fp32() -> None:
    """9.6e-3 and 3.8e-2 on one processor with avx512_bf16; three to four times that, as others add in other orders."""
    runs = script("precision_distance").distances(
        TINY, ["euler", "dpmpp_2m"], [8], ["a cat on a blue background"], seeds=1, size=64, cfg=4.0
    )
    euler, second_order = (run.relative for run in runs)
    assert 1e-4 < euler < 0.03  # not 0: it was computed in another precision
    assert 1e-4 < second_order < 0.15
