#!/usr/bin/env python3
# tests/bench/compare.py — runs the micro-workloads and their Go twins by turns, and says how they compare: a table, a chart, a file for programs.
#
#   compare.py --ours MICRO [--go GOBENCH] [--procs 1,2] [--rounds N] [--out DIR] [WORKLOAD…]
#
# Each round runs ours, then Go's, each with one run to warm up and one that is timed; so what the machine does to one it does to the other.  What was measured
# in one round belongs together; absolute times of different hours do not.
import argparse
import html
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys

UNITS = {"ns/op": "ns", "ms": "ms", "bytes/goroutine": "bytes"}


def samples(text):
    """{metric: (value, unit)} of a program's output, and its peak_rss in KiB."""
    found, peak = {}, 0.0
    for line in text.splitlines():
        parts = line.split("\t")
        if len(parts) != 6:
            continue
        if parts[3] == "peak_rss":
            peak = float(parts[5])
        else:
            found[parts[3]] = (float(parts[5]), UNITS.get(parts[4], parts[4]))
    return found, peak


def run(command, environment):
    """What samples() finds in the output of one run."""
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}, check=False)
    if ended.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with {ended.returncode}")
    return samples(ended.stdout)


def names(program, option="-list"):
    """What it can do, and what that is."""
    out = subprocess.run([program, option], capture_output=True, text=True, check=True).stdout
    return dict(line.split("\t", 1) for line in out.splitlines() if "\t" in line)


class Row:
    """One workload with so many Ps: what was measured on either side."""

    def __init__(self, name, procs, metric, unit):
        self.name, self.procs, self.metric, self.unit = name, procs, metric, unit
        self.ours, self.go, self.ours_rss, self.go_rss = [], [], [], []

    def ratio(self):
        """How many times as much Go takes; medians."""
        return statistics.median(self.go) / statistics.median(self.ours) if self.go else None

    def as_data(self):
        return {"workload": self.name, "procs": self.procs, "metric": self.metric, "unit": self.unit, "ours": self.ours, "go": self.go,
                "ours_peak_kib": self.ours_rss, "go_peak_kib": self.go_rss}


def measure(arguments, say):
    ours, go = names(arguments.ours), names(arguments.go) if arguments.go else {}
    wanted = arguments.workloads or list(ours)
    unknown = [name for name in wanted if name not in ours]
    if unknown:
        raise SystemExit(f"no workload named {', '.join(unknown)}; there are {', '.join(ours)}")
    rows = []
    total = len(wanted) * len(arguments.procs) * arguments.rounds
    done = 0
    for name in wanted:
        for procs in arguments.procs:
            mine = {}
            for _ in range(arguments.rounds):
                done += 1
                say(f"[{done}/{total}] {name}, P = {procs}")
                sides = [("ours", [arguments.ours, "-procs", str(procs), "-runs", "1", name], {})]
                if name in go:
                    sides.append(("go", [arguments.go, "-runs", "1", name], {"GOMAXPROCS": str(procs)}))
                for side, command, environment in sides:
                    found, rss = run(command, environment)
                    for metric, (value, unit) in found.items():
                        row = mine.setdefault(metric, Row(name, procs, metric, unit))
                        getattr(row, side).append(value)
                        getattr(row, side + "_rss").append(rss)
            rows += [row for row in mine.values() if row.ours]
    return rows


def number(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def table(rows):
    lines = [f"{'workload':24} {'P':>2} {'unit':>6} {'ours: median':>13} {'min':>8} {'Go: median':>12} {'min':>8} {'ratio':>6} {'MiB':>6} {'Go':>6}"]
    for row in rows:
        name = row.name if row.metric in ("time", "wall") else f"{row.name} {row.metric}"
        line = f"{name:24} {row.procs:2} {row.unit:>6} {number(statistics.median(row.ours)):>13} {number(min(row.ours)):>8} "
        if row.go:
            line += f"{number(statistics.median(row.go)):>12} {number(min(row.go)):>8} {number(row.ratio()):>6} "
        else:
            line += f"{'':>12} {'':>8} {'':>6} "
        line += f"{max(row.ours_rss) / 1024:6.0f} " + (f"{max(row.go_rss) / 1024:6.0f}" if row.go_rss else "")
        lines.append(line.rstrip())
    return lines


def chart(rows, title):
    """Bars, one for each workload and number of Ps: how many times as much Go takes."""
    shown = [row for row in rows if row.go]
    height, left, width, top = 22, 250, 420, 64
    most = max([row.ratio() for row in shown] + [1.0])
    colours = {}
    out = []
    for i, row in enumerate(shown):
        colour = colours.setdefault(row.procs, ["#2a6f97", "#e09f3e", "#6a994e", "#9e2a2b"][len(colours) % 4])
        y = top + i * height
        name = row.name if row.metric in ("time", "wall") else f"{row.name} {row.metric}"
        out.append(f'<text x="{left - 8}" y="{y + 14}" text-anchor="end">{html.escape(name)}</text>')
        out.append(f'<rect x="{left}" y="{y + 3}" width="{max(1.0, width * row.ratio() / most):.1f}" height="{height - 6}" fill="{colour}"/>')
        out.append(f'<text x="{left + width * row.ratio() / most + 6:.1f}" y="{y + 14}">{number(row.ratio())}</text>')
    bottom = top + len(shown) * height
    one = left + width / most
    out.append(f'<line x1="{one:.1f}" y1="{top}" x2="{one:.1f}" y2="{bottom}" stroke="#333" stroke-dasharray="3 3"/>')
    for i, (procs, colour) in enumerate(colours.items()):
        out.append(f'<rect x="{left + i * 90}" y="38" width="12" height="12" fill="{colour}"/><text x="{left + 18 + i * 90}" y="48">P = {procs}</text>')
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 70}" height="{bottom + 16}" font-family="sans-serif" font-size="12">'
            f'<rect width="100%" height="100%" fill="#fff"/><text x="16" y="24" font-size="15">{html.escape(title)}</text>' + "".join(out) + "</svg>\n")


def circumstances(arguments):
    """What the figures are of."""
    def said(command, pattern):
        try:
            found = re.search(pattern, subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            return found.group(1) if found else "?"
        except (OSError, subprocess.CalledProcessError):
            return "?"
    cpu = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8") if line.startswith("model name")), platform.machine())
    lines = [f"CPU: {cpu}, {os.cpu_count()} of them; Linux {platform.release()}",
             "compiler: " + said(["readelf", "-p", ".comment", arguments.ours], r"\]\s+(\S.*\S)") + "; flags: " + (arguments.flags or "?")]
    if arguments.go:
        lines.append(said(["go", "version", arguments.go], r":\s+(go\S+)") + " for the other side")
    return lines


def main(argv):
    parser = argparse.ArgumentParser()
    parser.add_argument("--ours", required=True)
    parser.add_argument("--go", default="")
    parser.add_argument("--flags", default="")
    parser.add_argument("--procs", type=lambda text: [int(n) for n in text.split(",")], default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", default="")
    parser.add_argument("workloads", nargs="*")
    arguments = parser.parse_args(argv)
    rows = measure(arguments, lambda text: print(text, file=sys.stderr, flush=True))
    lines = circumstances(arguments)
    print("\n".join([*lines, "", *table(rows), "", "ratio: how many times as much Go takes. MiB: most memory that the process had."]))
    if arguments.out:
        out = pathlib.Path(arguments.out)
        out.mkdir(parents=True, exist_ok=True)
        (out / "bench.svg").write_text(chart(rows, "How many times as much Go takes"), encoding="utf-8")
        (out / "bench.json").write_text(json.dumps({"of": lines, "rows": [row.as_data() for row in rows]}, indent=1), encoding="utf-8")
        print(f"{out / 'bench.svg'}, {out / 'bench.json'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
