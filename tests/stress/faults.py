"""A disk that fails at every single change of a run, power cuts, and files cut off at many lengths."""

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.storage.database.faultsweep import History, power_cuts, sweep


def sweeps(work: Path, _: int) -> str:
    """Every N, in every mode, in a run of an old and of a fresh database."""
    hits: Counter[str] = Counter()
    for number in range(8):
        full, lasting, fresh = bool(number & 1), bool(number & 2), bool(number & 4)
        for done in sweep(work / str(number), full=full, lasting=lasting, fresh=fresh):
            hits[f"{done.kind} {done.file.removeprefix('server.')}"] += 1
    return f"{hits.total()} failures, all survived: " + ", ".join(f"{hits[kind]} {kind}" for kind in sorted(hits))


def cuts(work: Path, rounds: int) -> str:
    """Power cuts at random moments, with random sectors lost."""
    moments = [power_cuts(work / str(seed), seed, 100) for seed in range(rounds)]
    return f"{100 * rounds} power cuts in runs of {moments[0]} moments: nothing that was acknowledged was lost"


def torn(work: Path, rounds: int) -> str:
    """Files cut off at random lengths."""
    found: Counter[str] = Counter()
    choose = random.Random(0)
    for checkpoints in (False, True):
        history = History(work / str(checkpoints), checkpoints=checkpoints)
        for number in range(100 * rounds):
            name = choose.choice(list(history.files))
            cut = history.files[name][: choose.randrange(1, len(history.files[name]))]
            state = history.opened(work / f"{checkpoints}-{number}", {**history.files, name: cut})
            if state is not None and state not in history.states:
                raise SystemExit(f"{name} cut to {len(cut)} bytes holds a state that never was")
            found["refused" if state is None else "an earlier state"] += 1
    return f"{found.total()} cut files: " + ", ".join(f"{number} {name}" for name, number in found.items())


PARTS: dict[str, Callable[[Path, int], str]] = {"sweeps": sweeps, "cuts": cuts, "torn": torn}


def main() -> None:
    """Runs the parts asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=list(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--rounds", type=int, default=20)
    asked = parser.parse_args()
    memory = Path("/dev/shm")
    for part in asked.parts:
        begun = time.monotonic()
        work = Path(tempfile.mkdtemp(prefix="nodeflow-faults-", dir=memory if memory.is_dir() else None))
        try:
            (work / part).mkdir()
            print(f"{PARTS[part](work / part, asked.rounds)} ({time.monotonic() - begun:.0f} s)", flush=True)
        finally:
            shutil.rmtree(work)


if __name__ == "__main__":
    main()
