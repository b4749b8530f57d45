# tests/gdb/check.py — gmpcoro-gdb.py shows what there is, of a process and of its core file.
#
# check.py PROGRAM SCRIPT; ends with 77 where gdb is not found, or may not trace.
import os
import re
import shutil
import subprocess
import sys
import tempfile

program, script = sys.argv[1:3]
gdb = shutil.which("gdb")
if gdb is None:
    print("skipped: there is no gdb")
    sys.exit(77)


def run(commands, *arguments):
    line = [gdb, "-nx", "-batch", "-ex", "set debuginfod enabled off", "-ex", "set width 0", "-ex", "set pagination off"]
    for command in commands:
        line += ["-ex", command]
    done = subprocess.run(line + list(arguments), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=100)
    return done.stdout


def expect(output, form):
    if not re.search(form, output, re.MULTILINE):
        sys.exit("missing: %s\n%s" % (form, output))


def check(output):
    expect(output, r"^ +1 sleep +\S.*program\.cpp:\d+$")
    waits = re.search(r"^ +(\d+) chan receive +\(anonymous namespace\)::innermost.*program\.cpp:\d+$|^ +(\d+) chan receive +.*innermost\(.*program\.cpp:\d+$", output, re.MULTILINE)
    if waits is None:
        sys.exit("no goroutine that receives\n" + output)
    expect(output, r"^ +\d+ sync\.Mutex\.Lock +.*program\.cpp:\d+$")
    expect(output, r"^ +\d+ running +.*program\.cpp:\d+$")
    expect(output, r"^goroutine \d+ \[chan receive\]:\n#0 +.*innermost\(.*program\.cpp:\d+\n#1 +.*outermost\(.*program\.cpp:\d+\n(#2 .*\n)?created by goroutine 1 at .*program\.cpp:\d+$")
    one = output[output.rindex("goroutine 1 ["):]
    expect(one, r"^goroutine 1 \[sleep\]:\n#0 +.*program\.cpp:\d+\n(#1 .*\n)?created by a thread at .*program\.cpp:\d+$")
    if "chan receive" in one:
        sys.exit("more than the one that was asked for\n" + one)
    expect(output, r"^goroutine \d+ \[running\]:\n(#0 .*\n)?created by goroutine 1 at .*\non thread \d+:\n(.*\n)*?#\d+ .*the_end")


with tempfile.TemporaryDirectory() as folder:
    core = os.path.join(folder, "core")
    show = ["source " + script, "info goroutines", "goroutine all bt", "goroutine 1 bt", "goroutine 999 bt", "goroutine"]
    live = run(["run"] + show + ["generate-core-file " + core, "kill"], program)
    if re.search(r"ptrace: Operation not permitted|Couldn't get registers|Cannot PTRACE", live):
        print("skipped: gdb may not trace here")
        sys.exit(77)
    check(live)
    expect(live, r"there is no goroutine 999")
    expect(live, r"usage: goroutine N bt")
    check(run(show, program, core))
none = run(["source " + script, "info goroutines"], sys.executable)
expect(none, r"there is no gmpcoro in this program")
