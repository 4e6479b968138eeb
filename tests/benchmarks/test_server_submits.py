"""Submits are acknowledged one after the other on every connection; how fast is measured by hand."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_client_is_answered() -> None:
    words = ["-m", "tests.benchmarks.server_submits", "--clients", "8", "--seconds", "0.5"]
    ran = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=True)
    found = re.match(r"(\d+) jobs of 8 clients", ran.stdout)
    assert found is not None
    assert int(found[1]) >= 8
