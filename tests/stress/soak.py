"""A soak: thousands of tiny jobs with retention on, and what grows.

python tests/stress/soak.py --jobs 2000
"""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.serving.soaking import soak

BOUNDS = {
    "server_rss": 0.02,
    "worker_rss": 0.02,
    "server_files": 0.0,
    "worker_files": 0.0,
    "server_threads": 0.0,
    "worker_threads": 0.0,
    "processes": 0.0,
    "disk": 0.05,
    "disk_files": 0.05,
}
"""Growth from the first fifth of the looks to the last one, as a share; README.md says why so much."""


def main() -> int:
    """Runs it, and tells how it went."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2000)
    parser.add_argument("--warm", type=int, default=500, help="jobs before the first look")
    parser.add_argument("--looks", action="store_true", help="print each look")
    asked = parser.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="nodeflow-soak-") as name:
        say = print if asked.looks else lambda _: None
        found = asyncio.run(soak(Path(name), asked.jobs, asked.warm, say))
    print(f"{time.monotonic() - begun:.0f} s; {found.stored} jobs are left; home: {found.disk}")
    wrong = list(found.wrong)
    for name, bound in BOUNDS.items():
        first, last = found.ends(name)
        print(f"{name}: {first:.0f} → {last:.0f} ({(last - first) / first:+.1%})")
        if last > first * (1 + bound) + 0.5:
            wrong.append(f"{name} grew by more than {bound:.0%}")
    print(f"wrong: {len(wrong)}")
    for line in wrong[:20]:
        print(f"  {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
