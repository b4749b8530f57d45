#!/usr/bin/env python3
# tests/bench/compare.py — runs the workloads and their twins by turns, and says how they compare: a table, a chart, a file for programs.
#
#   compare.py --build DIR [--procs 1,2] [--rounds N] [--seconds S] [--out DIR] [micro | net | WORKLOAD]…
#
# DIR is where the programs were built; a side whose program is not there is left out.  Of the micro-workloads each round runs ours, then Go's, then Asio's,
# each with one run to warm up and one that is timed; so what the machine does to one it does to the other.  The network's are in net.py.
import argparse
import json
import os
import pathlib
import platform
import re
import subprocess
import sys

import figures
import net


def run(command, environment):
    """What samples() finds in the output of one run."""
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}, check=False)
    if ended.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with {ended.returncode}")
    return figures.samples(ended.stdout)


def names(program, option="-list"):
    """What it can do, and what that is."""
    out = subprocess.run([program, option], capture_output=True, text=True, check=True).stdout
    return dict(line.split("\t", 1) for line in out.splitlines() if "\t" in line)


class Micro:
    """The micro-workloads, as far as their programs are there."""

    def __init__(self, build):
        programs = {"ours": "tests/gmpcoro_bench_micro", "go": "gobench", "asio": "tests/gmpcoro_bench_asio_micro"}
        self.programs = {side: str(build / path) for side, path in programs.items() if (build / path).exists()}
        self.workloads = {side: names(program) for side, program in self.programs.items()}

    def names(self):
        return list(self.workloads.get("ours", {}))

    def sides(self, name, procs):
        """What runs it once, for each side that knows it."""
        found = {}
        for side, program in self.programs.items():
            command = [program, "-runs", "1", name] if side == "go" else [program, "-procs", str(procs), "-runs", "1", name]
            if name in self.workloads[side]:
                found[side] = lambda command=command: run(command, {"GOMAXPROCS": str(procs)})
        return found


def chosen(wanted, micro, network):
    """The workloads that the words stand for, of either kind; all of them if there are no words."""
    words = wanted or ["micro", "net"]
    unknown = [word for word in words if word not in ["micro", "net", *micro, *network]]
    if unknown:
        raise SystemExit(f"no workload named {', '.join(unknown)}; there are micro ({', '.join(micro)}) and net ({', '.join(network)})")
    return [[name for name in known if name in words or kind in words] for kind, known in (("micro", micro), ("net", network))]


def said(command, pattern):
    try:
        found = re.search(pattern, subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        return found.group(1) if found else "?"
    except (OSError, subprocess.CalledProcessError):
        return "?"


def circumstances(build, flags):
    """What the figures are of."""
    cpu = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8") if line.startswith("model name")), platform.machine())
    compiler = next((said(["readelf", "-p", ".comment", build / path], r"\]\s+(\S.*\S)")
                     for path in ("tests/gmpcoro_bench_micro", "examples/echo_server") if (build / path).exists()), "?")
    lines = [f"CPU: {cpu}, {os.cpu_count()} of them; Linux {platform.release()}", f"compiler: {compiler}; flags: {flags or '?'}"]
    if (build / "gobench").exists():
        lines.append(said(["go", "version", build / "gobench"], r":\s+(go\S+)"))
    if (build / "tests/gmpcoro_bench_asio_micro").exists():
        lines.append(said([build / "tests/gmpcoro_bench_asio_micro", "-version"], r"(.+)"))
    return lines


def main(argv):
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--flags", default="")
    parser.add_argument("--procs", type=lambda text: [int(n) for n in text.split(",")], default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--out", default="")
    parser.add_argument("workloads", nargs="*")
    arguments = parser.parse_args(argv)
    micro, network = Micro(arguments.build), net.Net(arguments.build, arguments.seconds)
    small, large = chosen(arguments.workloads, micro.names(), list(net.WORKLOADS))
    plan = [(name, procs, micro.sides(name, procs)) for name in small for procs in arguments.procs]
    plan += [(name, 1, network.sides(name)) for name in large]
    busy = "load before: " + pathlib.Path("/proc/loadavg").read_text(encoding="ascii").split()[0]
    rows = []
    for i, (name, procs, sides) in enumerate(plan, 1):
        rows += figures.measure(name, procs, sides, arguments.rounds, lambda text, i=i: print(f"[{i}/{len(plan)}] {text}", file=sys.stderr, flush=True))
    lines = circumstances(arguments.build, arguments.flags) + [busy] + (network.circumstances(large) if large else [])
    print("\n".join(lines))
    for part in (small, net.ECHO_AND_HTTP, net.REDIS):
        shown = [row for row in rows if row.name in part]
        if shown:
            print("\n".join(["", *figures.table(shown)]))
    print("\nratio: how many times as much the other takes, or ours does in the same time. best: least time, most a second. MiB: most memory that the process had.")
    if arguments.out:
        out = pathlib.Path(arguments.out)
        out.mkdir(parents=True, exist_ok=True)
        (out / "bench.svg").write_text(figures.chart(rows, "How many times as much the others take"), encoding="utf-8")
        (out / "bench.json").write_text(json.dumps({"of": lines, "rows": [row.as_data() for row in rows]}, indent=1), encoding="utf-8")
        print(f"{out / 'bench.svg'}, {out / 'bench.json'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
