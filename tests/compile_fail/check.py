#!/usr/bin/env python3
# tests/compile_fail/check.py — compiles one file that must not compile, and looks for the words it must fail with.
#
# check.py [--id GNU|Clang --version V] FILE -- COMPILER FLAGS…        The notation in FILE: see CMakeLists.txt.
import argparse
import re
import subprocess
import sys

IDS = {"gcc": "GNU", "clang": "Clang"}


def version(text):
    return [int(part) for part in text.split(".")]


def head_of(text):
    """The // lines that the file begins with."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("//"):
            break
        lines.append(line)
    return lines


def applies(only, compiler_id, compiler_version):
    match = re.fullmatch(r"(gcc|clang)(?:(<|>=)([\d.]+))?", only)
    if not match:
        raise ValueError(f"cannot read 'only: {only}'")
    if IDS[match[1]] != compiler_id:
        return False
    if not match[2]:
        return True
    wanted = version(match[3])
    have = version(compiler_version)[: len(wanted)]
    return have < wanted if match[2] == "<" else have >= wanted


def compiles(path, compiler, *flags):
    done = subprocess.run([*compiler, *flags, "-fsyntax-only", path], capture_output=True, text=True)
    return done.returncode == 0, done.stdout + done.stderr


def check(path, compiler, compiler_id, compiler_version):
    """The complaint, or None if all is as the file says."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    head = head_of(text)
    expected = [line.split("expect:", 1)[1].strip() for line in head if re.match(r"// expect:", line)]
    only = [line.split("only:", 1)[1].strip() for line in head if re.match(r"// only:", line)]
    if not expected:
        return "has no '// expect: REGEX' line"
    flags = [flag for line in head if re.match(r"// flags:", line) for flag in line.split("flags:", 1)[1].split()]
    compiler = [*compiler, *flags]
    good, output = compiles(path, compiler)
    if any(not applies(condition, compiler_id, compiler_version) for condition in only):
        return None if good else f"must compile with this compiler, and does not:\n{output}"
    if good:
        return "compiles, and must not"
    for regex in expected:
        if not any(re.search(regex, line) for line in output.splitlines()):
            return f"does not compile, as it should, but no line matches '{regex}':\n{output}"
    if "GMPCORO_FIXED" in text:
        good, output = compiles(path, compiler, "-DGMPCORO_FIXED")
        if not good:
            return f"does not compile even with GMPCORO_FIXED, so it fails for another reason too:\n{output}"
    return None


def main():
    split = sys.argv.index("--")
    parser = argparse.ArgumentParser()
    parser.add_argument("--id", default="GNU")
    parser.add_argument("--version", default="12")
    parser.add_argument("file")
    arguments = parser.parse_args(sys.argv[1:split])
    complaint = check(arguments.file, sys.argv[split + 1:], arguments.id, arguments.version)
    if complaint:
        sys.exit(f"{arguments.file}: {complaint}")


if __name__ == "__main__":
    main()
