"""Listing models again costs little for each file; the bar for 10,000 is a second, of which a third is the start."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("models_listing.py")
FILES, PER_FILE = 1000, 150e-6


def test_a_listing_that_has_nothing_new_costs_little_per_file() -> None:
    ran = subprocess.run([sys.executable, SCRIPT, str(FILES), "2"], capture_output=True, text=True, check=True)

    cost = json.loads(ran.stdout)

    assert cost["warm, cpu"] - cost["nothing to list, cpu"] <= PER_FILE * FILES
