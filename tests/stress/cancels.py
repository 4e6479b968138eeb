"""Many random cancellations: those that are cancelled end once, and their neighbours do not notice.

python tests/stress/cancels.py --cancels 1000
"""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.serving.cancelling import cancel_many
from tests.serving.killing import told


def main() -> int:
    """Runs it, and tells how it went."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cancels", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="nodeflow-cancel-") as name:
        found = asyncio.run(cancel_many(Path(name), asked.cancels, asked.seed))
    assert found.compared is not None, "it came to its end"
    print(f"{time.monotonic() - begun:.0f} s; cancellations: {dict(found.answers)}")
    print(f"jobs: {dict(found.compared.states)}; workers lost: {found.restarts}")
    print(f"from a cancellation to the end of a job that ran: {told(found.seconds)}")
    wrong = [*found.compared.broken, *found.wrong]
    print(f"not kept: {len(wrong)}")
    for line in wrong[:20]:
        print(f"  {line}")
    return 1 if wrong or found.restarts else 0


if __name__ == "__main__":
    sys.exit(main())
