"""The benchmark of the engine still measures what it says; no time is asserted here."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    path = Path(__file__).with_name("engine_overhead.py")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("shape", ["chain", "layers"])
def test_each_measured_run_does_what_its_row_says(benchmark: ModuleType, shape: str) -> None:
    made = getattr(benchmark, shape)
    for once in (
        benchmark.cold(made, 40),
        benchmark.cold(made, 40, disk=True),
        benchmark.cached(made, 40, every=True),
        benchmark.cached(made, 40, every=False),
    ):
        assert once(0) >= 0


def test_changing_the_last_of_600_nodes_runs_one(benchmark: ModuleType) -> None:
    assert benchmark.last_changed(600)(0) >= 0


def test_the_peers_compute_the_same_chain(benchmark: ModuleType, recwarn: pytest.WarningsRecorder) -> None:
    assert benchmark.dask_chain(20)(3) >= 0
    assert benchmark.hamilton_chain(20)(3) >= 0
