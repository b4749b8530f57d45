#!/usr/bin/env python3
# tests/docs/run.py — runs the programs of a page of the documentation: each must print what stands below it, and end as it says.
#
# run.py DOCS PAGE PROGRAM
# In what stands below, "…" within a line stands for any text, and alone in a line for any number of lines.  Of a program that ends with another status
# than 0 both outputs count, as they come; of others stdout alone, as the library may say on stderr that a stop takes its time on a busy machine.
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "generator"))
import programs  # noqa: E402

LIMIT_S = 20


def matches(lines, pattern):
    if not pattern:
        return not lines
    if pattern[0].strip() == "…":
        return any(matches(lines[i:], pattern[1:]) for i in range(len(lines) + 1))
    line = ".*".join(re.escape(part) for part in pattern[0].rstrip().split("…"))
    return bool(lines) and re.fullmatch(line, lines[0].rstrip()) is not None and matches(lines[1:], pattern[1:])


def complaint(binary, program):
    """What is wrong with a run of it; None: nothing."""
    try:
        done = subprocess.run([binary, program.name], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=LIMIT_S,
                              stderr=subprocess.STDOUT if program.status else None)
    except subprocess.TimeoutExpired as late:
        return f"is not done after {LIMIT_S} s; it has printed:\n{(late.stdout or b'').decode()}"
    printed = done.stdout.decode()
    if done.returncode != program.status:
        return f"ends with {done.returncode}, and not {program.status}:\n{printed}"
    lines = printed.split("\n")
    if lines[-1] == "":
        lines.pop()
    if not matches(lines, program.expected):
        return "prints\n" + printed + "and not\n" + "\n".join(program.expected)
    return None


def main(docs, page, binary):
    all_of_it = programs.programs_of(page, programs.read(docs, page))
    failed = 0
    for program in all_of_it:
        wrong = complaint(binary, program) if program.runs else None
        if wrong:
            failed += 1
            print(f"{program.place}: {program.name} {wrong}")
    print(f"{sum(program.runs for program in all_of_it)} programs, {failed} failed")
    sys.exit(1 if failed or not all_of_it else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
