"""Many requests for every operation of the server, made of its own description: no 5xx, no answer that is not in it.

    python -m tests.stress.openapi --examples 500

``tests/server/test_openapi.py`` is the short form.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

TEST = Path(__file__).parents[1] / "server" / "test_openapi.py"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=500, help="requests for each operation")
    examples = parser.parse_args().examples
    environment = {**os.environ, "NODEFLOW_OPENAPI_EXAMPLES": str(examples)}
    return subprocess.call([sys.executable, "-m", "pytest", str(TEST), "-q"], env=environment)


if __name__ == "__main__":
    raise SystemExit(main())
