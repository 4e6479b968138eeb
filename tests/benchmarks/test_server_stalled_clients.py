"""Clients that never read neither stop a server nor fill its memory; what they cost in time is measured by hand."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("server_stalled_clients.py")


def test_jobs_end_beside_clients_that_never_read() -> None:
    ran = subprocess.run([sys.executable, SCRIPT, "50", "1"], capture_output=True, text=True, check=True)

    cost = json.loads(ran.stdout)

    assert cost["clients"] == 50
    assert cost["memory grown by, MB"] < 50
