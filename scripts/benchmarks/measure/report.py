"""Measurements put into rows: what was measured, against what, and whether that is good enough."""
import os
import pathlib
import platform
import re
import statistics
import subprocess


class Row:
    """One line of the table; a ratio of each round, and their median.

    `values` and `peers` are what each round took, in seconds, entries a second or bytes: the ratio says how many times
    the peer's. Without a peer the ratio is the value itself, in `unit`.
    """

    def __init__(self, name, against, *, least=None, most=None, unit="times", form="{:.2f}"):
        self.name, self.against, self.least, self.most = name, against, least, most
        self.unit, self.form = unit, form
        self.values, self.peers = [], []

    def add(self, value, peer=1.0):
        self.values.append(value)
        self.peers.append(peer)

    @property
    def ratios(self):
        return [value / peer for value, peer in zip(self.values, self.peers)]

    @property
    def ratio(self):
        return statistics.median(self.ratios)

    @property
    def holds(self):
        """Nil for a row that is only told."""
        if self.least is None and self.most is None:
            return None
        return self.ratio >= self.least if self.least is not None else self.ratio <= self.most

    @property
    def bound(self):
        if self.holds is None:
            return ""
        sign, limit = ("≥", self.least) if self.least is not None else ("≤", self.most)
        return f"{sign} {limit:g}"

    def document(self):
        return {
            "measured": self.name, "against": self.against, "unit": self.unit, "ratio": self.ratio,
            "spread": [min(self.ratios), max(self.ratios)], "atLeast": self.least, "atMost": self.most,
            "holds": self.holds, "rounds": len(self.values), "cistern": self.values, "peer": self.peers,
        }

    def cells(self):
        text = self.form.format
        spread = f"{text(min(self.ratios))} to {text(max(self.ratios))}" if len(self.values) > 1 else ""
        unit = "" if self.unit == "times" else " " + self.unit
        holds = {True: "yes", False: "**no**", None: ""}[self.holds]
        return [self.name, self.against, self.bound, text(self.ratio) + unit, spread, holds]


def table(rows):
    """The rows as a table of Markdown, in columns for whoever reads it as it is."""
    lines = [["measured", "against", "bound", "median", "spread", "holds"]] + [row.cells() for row in rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]

    def text(cells):
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths)) + " |"

    return "\n".join([text(lines[0]), "| " + " | ".join("-" * width for width in widths) + " |", *map(text, lines[1:])])


def machine():
    """What it was measured on."""
    processor = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)

    def version(*command):
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")[0].strip()

    return {
        "processor": processor.group(1) if processor else platform.machine(),
        "cores": len(os.sched_getaffinity(0)), "memoryGiB": round(memory, 1),
        "system": f"{platform.system()} {platform.release()}",
        "cistern": version(os.environ["CISTERN_BINARY"], "--version"),
        "server": version(os.environ["NATS_SERVER"], "--version"),
    }
