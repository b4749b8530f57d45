#!/usr/bin/env python3
# tests/examples/debug_page.py — asks debug_page by curl, and by a browser: the page shows the program as it is.
#
# debug_page.py PROGRAM              by curl
# debug_page.py PROGRAM --browser    by Chromium without a window; exits with 77, "skipped", where there is none
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request

from server import LIMIT_S, Server, equal, main, require, wait_until

SKIPPED = 77
BROWSERS = "chromium", "chromium-browser", "google-chrome"


def url(server):
    return "http://%s:%d/" % server.address


def by_curl(server):
    done = subprocess.run(["curl", "--silent", "--show-error", "--fail", "--max-time", str(LIMIT_S), url(server)], capture_output=True, text=True)
    equal((done.returncode, done.stderr), (0, ""), "curl")
    return done.stdout


def by_browser(server, browser):
    """What is in the DOM, once the page is loaded."""
    with tempfile.TemporaryDirectory() as profile:
        done = subprocess.run(
            [browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", f"--user-data-dir={profile}", "--dump-dom", url(server)],
            capture_output=True, text=True, timeout=LIMIT_S)
    require(done.returncode == 0, f"{browser} ended with {done.returncode}: {done.stderr}")
    return done.stdout


def table(page, name):
    """The cells of that table, row by row; ends of rows and cells may be left out, as HTML allows."""
    inside = re.search(rf'<table id="?{name}"?>(.*?)</table>', page, re.DOTALL)
    require(inside, f"no table {name} in {page}")
    rows = [re.findall(r"<td>([^<]*)", row) for row in inside[1].split("<tr>")]
    return [[cell.strip() for cell in row] for row in rows if row]


def shows_the_program(page):
    """Checks the page, and gives how many gs were started until then."""
    require(not re.search(r"https?://|<(link|script|img|iframe)\b|@import|url\(", page), f"something is to be fetched from elsewhere: {page}")
    goroutines = re.search(r'<span id="?goroutines"?>(\d+)</span>', page)
    require(goroutines, f"no number of goroutines in {page}")
    runnable, running, waiting, in_blocking, spawned, timers, _ = (int(cell) for cell in table(page, "states")[0])
    equal(runnable + running + waiting + in_blocking, int(goroutines[1]), "goroutines by state")
    require(running >= 1, "the one that makes the page runs")
    require(timers >= 5, f"five sleep: {timers} timers")
    reasons = {reason: int(gs) for reason, gs in table(page, "reasons")}
    require(reasons.get("sleep", 0) >= 5 and reasons.get("running", 0) >= 1, f"why they wait: {reasons}")
    require(reasons.get("chan receive", 0) >= 5, f"of 20 workers ten at most are given something at once: {reasons}")
    procs = table(page, "procs")
    equal([row[0] for row in procs], [str(i) for i in range(len(procs))], "Ps")
    require(any(row[1] == "running" for row in procs), f"the P of the one that makes the page runs: {procs}")
    latency = table(page, "latency")
    require(latency and all(int(under) & (int(under) - 1) == 0 and int(gs) > 0 for under, gs in latency), f"latency: {latency}")
    stacks = re.search(r'<pre id="?stacks"?>(.*)</pre>', page, re.DOTALL)
    require(stacks, f"no stacks in {page}")
    require(re.search(r"^5 \[sleep\]\n  .*sleeper\(\).*debug_page\.cpp:\d+$", stacks[1], re.MULTILINE), f"the sleepers are not folded: {stacks[1]}")
    require(re.search(r"worker\(.*Chan&lt;int&gt;\)", stacks[1]), f"a signature was taken for a tag: {stacks[1]}")
    return spawned


def is_live(ask):
    """Each connection is a goroutine of its own: the next page counts it."""
    first = shows_the_program(ask())
    second = shows_the_program(ask())
    require(second > first, f"started until the first page {first}, until the second {second}")


def curl_sees_the_program(program):
    if not shutil.which("curl"):
        sys.exit(SKIPPED)
    server = Server(program)
    busy(server)
    is_live(lambda: by_curl(server))


def a_browser_sees_the_program(program):
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.exit(SKIPPED)
    server = Server(program)
    busy(server)
    is_live(lambda: by_browser(server, browser))


def busy(server):
    """Until the sleepers sleep, the workers wait, one waits for connections, and something was timed."""
    def has_all():
        with urllib.request.urlopen(url(server), timeout=LIMIT_S) as answer:
            page = answer.read().decode()
        reasons = dict(table(page, "reasons"))
        return all(int(reasons.get(why, 0)) >= gs for why, gs in (("sleep", 5), ("chan receive", 5), ("IO wait", 1))) and table(page, "latency")
    wait_until(has_all, "gs that wait, and latencies, in the page")


if __name__ == "__main__":
    main(a_browser_sees_the_program if "--browser" in sys.argv else curl_sees_the_program)
