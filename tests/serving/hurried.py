"""The shell, with a round of retention every second instead of every hour."""

import sys

from nodeflow.cli.main import main
from nodeflow.server import retention

retention.FIRST = retention.EVERY = 1.0  # type: ignore[misc]

if __name__ == "__main__":
    sys.exit(main())
