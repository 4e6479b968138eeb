"""``kill -9`` in a loop: the server and its workers, at random moments, under load.

    python tests/stress/kill_loop.py --rounds 200

Every job that was acknowledged is held against the store in the end; ``tests/serving/ledger.py`` says what is asked of
it. The exit code is 1 when anything was not kept.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.serving.killing import Figures, kill_loop, random_ways, told


def main() -> int:
    """Runs it, and tells how it went."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--longest", type=float, default=2.0, help="seconds from the first worker that takes jobs to the kill, at most"
    )
    parser.add_argument("--keep", type=Path, help="folder to leave everything in")
    asked = parser.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="nodeflow-kill-") as name:
        folder = asked.keep or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        ways, say = random_ways(asked.rounds, asked.seed), lambda text: print(text, flush=True)
        figures = asyncio.run(kill_loop(folder, ways, asked.seed, longest=asked.longest, say=say))
    print(f"{time.monotonic() - begun:.0f} s")
    return _tell(figures)


def _tell(figures: Figures) -> int:
    compared = figures.compared
    assert compared is not None, "it came to its end"
    print(f"kills: {figures.kills}")
    print(f"requests: {figures.requests}, answers lost: {figures.lost}")
    print(f"jobs: {dict(compared.states)}, attempts: {compared.attempts}, of them lost: {compared.lost_attempts}")
    print(f"files of killed attempts that no job names: {compared.orphans}")
    for what in ("port", "open", "ready", "warm", "workers_gone", "stops"):
        print(f"{what}: {told(getattr(figures, what))}")
    print(f"exit code of the orderly stop: {figures.exit_code}")
    wrong = [*compared.broken, *figures.faults]
    print(f"not kept: {len(wrong)}")
    for line in wrong[:20]:
        print(f"  {line}")
    return 1 if wrong or figures.exit_code else 0


if __name__ == "__main__":
    sys.exit(main())
