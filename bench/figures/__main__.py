"""Measures the figures named (all, if none is), prints a table and writes results.json. Started by run.sh."""

import argparse
import sys
from pathlib import Path

from . import report
from .measure import FIGURES
from .programs import Bench, Missing

BUSY_LOAD = 0.5


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/run.sh")
    parser.add_argument("--rootward", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--bench", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--venv", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("figures", nargs="*", metavar="figure", help=", ".join(FIGURES))
    arguments = parser.parse_args()
    unknown = [name for name in arguments.figures if name not in FIGURES]
    if unknown:
        parser.error(f"no figure `{unknown[0]}`; there are {', '.join(FIGURES)}")

    folder = Path(__file__).parent.parent
    differing = report.differing_versions(folder.parent)
    if differing:
        print(f"the floor is not built of what the server is built of: {', '.join(differing)}", file=sys.stderr)
        return 3
    machine = report.machine()
    if machine["load_before"] > BUSY_LOAD:
        print(f"note: the machine is busy (load {machine['load_before']:.1f}); figures will be worse", file=sys.stderr)

    bench = Bench.prepare(arguments.rootward, arguments.bench, arguments.venv)
    try:
        rows, failed = measure(bench, arguments.figures or list(FIGURES))
    finally:
        bench.close()
    print(report.table(rows))
    report.write(folder / "results.json", machine, rows)
    return 3 if failed else int(any(row.met is False for row in rows))


def measure(bench: Bench, names: list[str]) -> tuple[list[report.Row], bool]:
    rows, failed = [], False
    for name in names:
        print(f"measuring {name}", file=sys.stderr)
        try:
            rows += FIGURES[name](bench)
        except Missing as problem:
            failed = True
            print(f"{name} could not be measured: {problem}", file=sys.stderr)
    return rows, failed


sys.exit(main())
