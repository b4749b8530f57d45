# tests/bench/figures.py — what the programs that measure have said, side by side: rows, a table, a chart.
#
# A side is a program that does the work: ours, or one that does the same in another way.  What was measured in one round, by turns, belongs together;
# absolute times of different hours do not.
import html
import statistics

UNITS = {"ns/op": "ns", "us/op": "us", "bytes/goroutine": "bytes"}
SIDES = {"ours": "ours", "go": "Go", "asio": "Asio", "asio_on_gmp": "on gmp", "redis": "Redis", "bare": "bare"}  # and what they are called
COLOURS = ["#2a6f97", "#e09f3e", "#6a994e", "#9e2a2b", "#7b5ea7", "#5f6b6d", "#b5838d"]


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


class Row:
    """One figure of one workload with so many Ps: what was measured on each side."""

    def __init__(self, name, procs, metric, unit):
        self.name, self.procs, self.metric, self.unit = name, procs, metric, unit
        self.values, self.peaks = {}, {}  # by side

    def add(self, side, value, peak):
        self.values.setdefault(side, []).append(value)
        self.peaks.setdefault(side, []).append(peak)

    def label(self):
        return self.name if self.metric in ("time", "wall", "cpu") else f"{self.name} {self.metric}"

    def median(self, side):
        return statistics.median(self.values[side])

    def is_rate(self):
        return self.unit.endswith("/s")

    def best(self, side):
        return (max if self.is_rate() else min)(self.values[side])

    def others(self):
        return [side for side in SIDES if side != "ours" and side in self.values]

    def ratio(self, side):
        """How many times as much it takes on the other side, or ours does in the same time; medians."""
        ours, other = self.median("ours"), self.median(side)
        return ours / other if self.is_rate() else other / ours

    def as_data(self):
        return {"workload": self.name, "procs": self.procs, "metric": self.metric, "unit": self.unit, **self.values,
                **{f"{side}_peak_kib": peaks for side, peaks in self.peaks.items()}}


def measure(name, procs, sides, rounds, say):
    """The rows of one workload: `sides` says, for each, what returns samples of one run; by turns."""
    rows = {}
    for i in range(rounds):
        say(f"{name}, P = {procs}, round {i + 1} of {rounds}")
        for side, run in sides.items():
            found, peak = run()
            for metric, (value, unit) in found.items():
                rows.setdefault(metric, Row(name, procs, metric, unit)).add(side, value, peak)
    return [row for row in rows.values() if "ours" in row.values]


def number(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def table(rows):
    """Its lines; a side that none of the rows has takes no columns."""
    sides = [side for side in SIDES if any(side in row.values for row in rows)]
    head = f"{'workload':24} {'P':>2} {'unit':>6}"
    for side in sides:
        head += f" {SIDES[side] + ': median':>14} {'best':>8}" + (f" {'ratio':>6}" if side != "ours" else "")
    lines = [head + "  MiB" + "".join(f" {SIDES[side]:>5}" for side in sides)]
    for row in rows:
        line = f"{row.label():24} {row.procs:2} {row.unit:>6}"
        for side in sides:
            there = side in row.values
            line += f" {number(row.median(side)) if there else '':>14} {number(row.best(side)) if there else '':>8}"
            if side != "ours":
                line += f" {number(row.ratio(side)) if there else '':>6}"
        line += "     " + "".join(f" {max(row.peaks[side]) / 1024:5.0f}" if side in row.peaks else " " * 6 for side in sides)
        lines.append(line.rstrip())
    return lines


def chart(rows, title):
    """Bars, one for each row and other side: how many times as much that takes."""
    bars = [(row, side) for row in rows for side in row.others()]
    most = max([row.ratio(side) for row, side in bars] + [1.0])
    colours = {}
    for row, side in bars:
        colours.setdefault(f"{SIDES[side]}, P = {row.procs}", COLOURS[len(colours) % len(COLOURS)])
    height, left, width, each = 22, 250, 420, 4
    top = 46 + 18 * -(-len(colours) // each)  # below the legend
    out = []
    for i, (row, side) in enumerate(bars):
        y = top + i * height
        if i == 0 or bars[i - 1][0] is not row:
            out.append(f'<text x="{left - 8}" y="{y + 14}" text-anchor="end">{html.escape(row.label())}</text>')
        colour = colours[f"{SIDES[side]}, P = {row.procs}"]
        out.append(f'<rect x="{left}" y="{y + 3}" width="{max(1.0, width * row.ratio(side) / most):.1f}" height="{height - 6}" fill="{colour}"/>')
        out.append(f'<text x="{left + width * row.ratio(side) / most + 6:.1f}" y="{y + 14}">{number(row.ratio(side))}</text>')
    bottom = top + len(bars) * height
    one = left + width / most
    out.append(f'<line x1="{one:.1f}" y1="{top}" x2="{one:.1f}" y2="{bottom}" stroke="#333" stroke-dasharray="3 3"/>')
    for i, (name, colour) in enumerate(colours.items()):
        x, y = left + i % each * 110, 38 + 18 * (i // each)
        out.append(f'<rect x="{x}" y="{y}" width="12" height="12" fill="{colour}"/><text x="{x + 18}" y="{y + 10}">{html.escape(name)}</text>')
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 70}" height="{bottom + 16}" font-family="sans-serif" font-size="12">'
            f'<rect width="100%" height="100%" fill="#fff"/><text x="16" y="24" font-size="15">{html.escape(title)}</text>' + "".join(out) + "</svg>\n")
