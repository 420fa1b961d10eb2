"""What is printed and written: one row for each measured value, with its target and whether it is met."""

import json
import os
import platform
import re
import tomllib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median


@dataclass
class Row:
    figure: str
    what: str
    target: str
    measured: str
    met: bool | None = None
    values: dict = field(default_factory=dict)


def at_most(figure: str, what: str, limit: float, unit: str, measured: float, **values) -> Row:
    return Row(figure, what, f"≤ {limit:g} {unit}", f"{number(measured)} {unit}", measured <= limit, values)


def at_least(figure: str, what: str, limit: float, unit: str, measured: float, **values) -> Row:
    return Row(figure, what, f"≥ {limit:g} {unit}", f"{number(measured)} {unit}", measured >= limit, values)


def stated(figure: str, what: str, measured: str, **values) -> Row:
    return Row(figure, what, "", measured, None, values)


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def middle(reports: list[dict], name: str) -> float:
    return median(report[name] for report in reports)


def table(rows: list[Row]) -> str:
    cells = [["figure", "what", "target", "measured", "met"]]
    cells += [[row.figure, row.what, row.target, row.measured, {True: "yes", False: "no", None: ""}[row.met]] for row in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(5)]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |" for line in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def write(path: Path, machine: dict, rows: list[Row]) -> None:
    text = json.dumps({"machine": machine, "rows": [asdict(row) for row in rows]}, indent=1, ensure_ascii=False)
    path.write_text(text + "\n")


def machine() -> dict:
    processor = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())
    return {
        "processor": processor[1] if processor else platform.machine(),
        "processors": os.cpu_count(),
        "memory_gib": round(int(memory[1]) / 2**20, 1),
        "kernel": platform.release(),
        "load_before": os.getloadavg()[0],
    }


def differing_versions(repository: Path) -> list[str]:
    """Crates of the HTTP stack whose locked version differs between the server and the floor."""
    server, floor = (locked(repository / path) for path in ("Cargo.lock", "bench/Cargo.lock"))
    return [f"{name} {server.get(name)} / {floor.get(name)}" for name in HTTP_STACK if server.get(name) != floor.get(name)]


def locked(path: Path) -> dict[str, str]:
    return {package["name"]: package["version"] for package in tomllib.loads(path.read_text())["package"]}


HTTP_STACK = ["bytes", "http", "http-body-util", "httparse", "hyper", "hyper-util", "mio", "tokio"]
