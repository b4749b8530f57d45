#!/usr/bin/env python3
# tests/examples/redis_client.py — lets redis_client ask a redis-server of its own, and one that goes away.
#
# redis_client.py PROGRAM      Status 77, which ctest takes for "skipped", if there is no server (Debian: redis-tools or redis-server).
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading

from server import LIMIT_S, equal, main, require, wait_until


def redis_server():
    """Its path, or None. Debian's redis-server is a second name of a program of redis-tools, which starts no service when it is installed."""
    return shutil.which("redis-server") or shutil.which("redis-check-rdb")


def listens(path):
    with socket.socket(socket.AF_UNIX) as one:
        try:
            one.connect(path)
        except OSError:  # the path is there before anybody listens
            return False
    return True


def ask(program, *where):
    done = subprocess.run([program, *where], stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT_S)
    require(done.returncode == 0 and not done.stderr, f"it ended with {done.returncode}: {done.stderr}")
    return done.stdout


def asks_a_redis_server(program):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "redis.sock")
        command = ["redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--dir", folder]
        with subprocess.Popen(command, executable=redis_server(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as server:
            try:
                wait_until(lambda: listens(path) or server.poll() is not None, "redis-server listens")
                require(server.poll() is None, "redis-server does not start")
                equal(ask(program, "unix", path), b"SET: +OK\nMGET: *\n  $ 10000\n  $ two\r\nlines\n  _ \n"
                      b"INCR: -ERR value is not an integer or out of range\n", "what it prints")
            finally:
                server.kill()


def sees_that_the_server_has_gone(program):
    """Or that what it says is no reply."""
    for said in b":1\r\n:2\r\n$10\r\nhalf", b"$x\r\n", b"$99999999999\r\n", b"*2147483648\r\n", b"*1\r\n" * 100_000, b"x" * 70_000, b"\r\n":
        with socket.create_server(("127.0.0.1", 0)) as listener:
            def answer_some():
                connection, _ = listener.accept()
                with connection:
                    connection.recv(100)
                    connection.sendall(said)
            threading.Thread(target=answer_some, daemon=True).start()
            equal(ask(program, "tcp", "127.0.0.1:%d" % listener.getsockname()[1]), b"the connection is gone\n", said[:20])


if __name__ == "__main__":
    if not redis_server():
        print("skipped: there is no redis-server (Debian: redis-tools)")
        sys.exit(77)
    main(asks_a_redis_server, sees_that_the_server_has_gone)
