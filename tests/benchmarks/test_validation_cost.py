"""Reading and checking together stay below 40 microseconds of CPU time per node, for short chains and long ones."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("validation_cost.py")
BAR = 40.0


def test_reading_and_checking_a_node_costs_little() -> None:
    # In a process of its own, so that no tracer counts along.
    ran = subprocess.run([sys.executable, SCRIPT, "600", "5000"], capture_output=True, text=True, check=True)

    cost = json.loads(ran.stdout)

    assert cost["600"] <= BAR
    assert cost["5000"] <= BAR
