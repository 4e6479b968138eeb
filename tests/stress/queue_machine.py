"""The state machine of the queue, as long as you like."""

import argparse
import sys
import time
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.storage.database.queuemachine import QueueMachine


def main() -> None:
    """Runs it, and tells how long that took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=10_000)
    parser.add_argument("--steps", type=int, default=50)
    asked = parser.parse_args()
    begun = time.monotonic()
    run_state_machine_as_test(
        QueueMachine,
        settings=settings(
            max_examples=asked.examples,
            stateful_step_count=asked.steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink],
            database=None,
        ),
    )
    print(f"{asked.examples} runs of up to {asked.steps} steps held, in {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
