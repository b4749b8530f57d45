#!/usr/bin/env python3
# tests/bench/instructions.py — counts the instructions of the micro-workloads with one P, and compares them with those on record.
#
#   instructions.py MICRO RECORD            fails if one takes over 5 % more than the record says
#   instructions.py MICRO RECORD --update   writes what it counts
#
# Times differ from hour to hour on a shared machine; instructions, by valgrind's callgrind, by some in a thousand, whatever else runs.  A workload is run
# with N and with 2 N repetitions, so that the start of the program cancels out, without io_uring, which valgrind does not know.  What disturbs a run only
# adds to it: so of several the least counts.  What depends on when sysmon looks (blocking calls) is not among them.  Exit status 77: nothing to compare
# with, and why.
import pathlib
import re
import shutil
import subprocess
import sys

TOLERANCE = 1.05
TRIES = 4  # of a workload that takes more than it should

# name: (scale of the shorter run, operations in it and its warm-up, of which the unit is)
WORKLOADS = {
    "spawn_join": (0.003, 2 * 3_000, "g"),
    "gosched_1000": (0.01, 2 * 10_000, "yield"),
    "mutex_uncontended": (0.001, 2 * 50_000, "pair"),
    "waitgroup_add_done": (0.001, 2 * 50_000, "pair"),
    "once_do_hot": (0.0002, 2 * 40_000, "call"),
    "cond_pingpong": (0.01, 2 * 5_000, "round trip"),
    "chan_pingpong": (0.005, 2 * 5_000, "round trip"),
    "chan_1p1c_128": (0.002, 2 * 20_000, "value"),
    "select_2": (0.005, 2 * 2 * 2_500, "value"),
    "timer_create_stop": (0.002, 2 * 6_000, "timer"),
    "fork_pairs": (0.01, 2 * 50 * 232, "pair"),
}


def compiler(micro):
    """What the counts are of: the compiler that made the program, and the machine's kind."""
    out = subprocess.run(["readelf", "-p", ".comment", micro], capture_output=True, text=True, check=True).stdout
    names = sorted(set(re.findall(r"\]\s+(\S.*\S)", out)))
    machine = re.search(r"Machine:\s+(\S.*)", subprocess.run(["readelf", "-h", micro], capture_output=True, text=True, check=True).stdout).group(1)
    return "; ".join([*names, machine])


def collected(text):
    """The number of instructions that callgrind says it has seen."""
    found = re.search(r"Collected : (\d+)", text)
    if found is None:
        raise ValueError("callgrind has counted nothing:\n" + text)
    return int(found.group(1))


def run(micro, name, scale):
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", micro, "-procs", "1", "-runs", "1", "-scale", str(scale), name]
    return collected(subprocess.run(command, capture_output=True, text=True, check=True, env={"GMPPOLLER": "epoll", "PATH": "/usr/bin:/bin"}).stderr)


def count(micro, name, enough, one_run=run):
    """Instructions of one operation; measured anew until they are at most `enough`, or the tries are used up."""
    scale, operations, _ = WORKLOADS[name]
    short, long = one_run(micro, name, scale), one_run(micro, name, 2 * scale)
    for _ in range(TRIES - 1):
        if (long - short) / operations <= enough:
            break
        short, long = min(short, one_run(micro, name, scale)), min(long, one_run(micro, name, 2 * scale))
    return (long - short) / operations


def read(text):
    """(compiler, {name: instructions}) of a record."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    what = next(line for line in text.splitlines() if line.startswith("# of: "))[len("# of: "):]
    return what, {name: float(number) for name, number, *_ in (line.split() for line in lines)}


def write(what, counts):
    lines = ["# Instructions an operation, one P. By instructions.py --update, when a change is meant.", "# of: " + what]
    lines += [f"{name:20} {counts[name]:9.1f}  a {WORKLOADS[name][2]}" for name in counts]
    return "\n".join(lines) + "\n"


def compare(record, counts):
    """The lines of a table, and whether all is well."""
    lines, well = [], True
    for name, now in counts.items():
        if name not in record:
            lines.append(f"{name:20} {'':>9} {now:9.1f}  not on record: --update")
            well = False
            continue
        ratio = now / record[name]
        note = ""
        if ratio > TOLERANCE:
            note, well = "  TOO MANY", False
        elif ratio < 2 - TOLERANCE:
            note = "  fewer: --update, lest they come back"
        lines.append(f"{name:20} {record[name]:9.1f} {now:9.1f}  {100 * (ratio - 1):+5.1f} %{note}")
    for name in record.keys() - counts.keys():
        lines.append(f"{name:20} on record, and not a workload")
        well = False
    return lines, well


def main(arguments):
    micro, path = arguments[0], pathlib.Path(arguments[1])
    if shutil.which("valgrind") is None or shutil.which("readelf") is None:
        print("skipped: no valgrind here")
        return 77
    what = compiler(micro)
    if arguments[2:] == ["--update"]:
        path.write_text(write(what, {name: count(micro, name, 0) for name in WORKLOADS}), encoding="utf-8")
        print(path.read_text(encoding="utf-8"), end="")
        return 0
    recorded, record = read(path.read_text(encoding="utf-8"))
    if recorded != what:
        print(f"skipped: the record is of\n  {recorded}\nand this is\n  {what}")
        return 77
    lines, well = compare(record, {name: count(micro, name, record.get(name, 0) * 1.03) for name in WORKLOADS})
    print("\n".join([f"{'':20} {'record':>9} {'now':>9}", *lines]))
    if not well:
        print("If the change is meant: tests/bench/instructions.py MICRO RECORD --update, and say why in the commit.")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
