#!/usr/bin/env python3
# tests/examples/pq_pipeline.py — starts a PostgreSQL server of its own, lets pq_pipeline ask it, and has the server end the connection.
#
# pq_pipeline.py PROGRAM      Status 77, which ctest takes for "skipped", if there is no server (Debian: postgresql-15).
import glob
import os
import pwd
import subprocess
import sys
import tempfile

from server import LIMIT_S, equal, main, require


def postgres_tools():
    """The folder of initdb, or None."""
    return next((os.path.dirname(path) for path in sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"), reverse=True)), None)


def as_nobody_special():
    """What goes before a command: the server refuses to be root's."""
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"] if os.getuid() == 0 else []


def run(*command):
    done = subprocess.run([*as_nobody_special(), *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd="/",
                          text=True, timeout=LIMIT_S)
    require(done.returncode == 0, f"{command[0]}: {done.stdout}")


def asks_a_server(program):
    tools = postgres_tools()
    with tempfile.TemporaryDirectory() as folder:
        if os.getuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        data, log = os.path.join(folder, "data"), os.path.join(folder, "log")
        run(f"{tools}/initdb", "--pgdata", data, "--auth=trust", "--username=postgres", "--no-sync", "--no-instructions")
        run(f"{tools}/pg_ctl", "start", "--wait", "--pgdata", data, "--log", log, "--options", f"-F -k {folder} -c listen_addresses=")
        try:
            for where in f"host={folder} user=postgres dbname=postgres", f"host={folder} user=postgres dbname=nothing":
                done = subprocess.run([program, where], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S)
                if where.endswith("nothing"):
                    require(done.returncode != 0 and 'database "nothing" does not exist' in done.stderr, f"no such database: {done}")
                else:
                    equal((done.returncode, done.stdout, done.stderr), (0, EXPECTED, ""), "what it prints")
        finally:
            run(f"{tools}/pg_ctl", "stop", "--mode=immediate", "--pgdata", data)


EXPECTED = """SELECT count(*), sum(n) FROM number: 1000 499500 PGRES_TUPLES_OK
SELECT 1/0: PGRES_FATAL_ERROR
SELECT 1: 1 PGRES_TUPLES_OK
SELECT pg_terminate_backend(pg_backend_pid()): PGRES_FATAL_ERROR
SELECT 2: gone
"""


if __name__ == "__main__":
    if not postgres_tools():
        print("skipped: there is no PostgreSQL server (Debian: postgresql-15)")
        sys.exit(77)
    main(asks_a_server)
