"""Feeds the parsers of documents, safetensors headers and texts of pictures millions of changed inputs.

python tests/stress/fuzz_parsers.py --inputs 1000000 [--only document] [--first 0]
"""

import argparse
import sys
import time
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.fuzzing.parsers import PARSERS, findings


def main() -> int:
    """Returns 1 when anything was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--only", choices=[each.name for each in PARSERS])
    args = parser.parse_args()
    found = 0
    for each in PARSERS:
        if args.only in (None, each.name):
            started = time.perf_counter()
            for finding in islice(findings(each, iter(range(args.first, args.first + args.inputs))), 20):
                print(finding, flush=True)
                found += 1
            print(f"{each.name}: {args.inputs:,} inputs in {time.perf_counter() - started:.0f} s", flush=True)
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
