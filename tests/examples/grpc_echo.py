#!/usr/bin/env python3
# tests/examples/grpc_echo.py — runs grpc_echo with one and four Ps and by each poller: gRPC's threads and the gs meet otherwise each time.
#
# grpc_echo.py PROGRAM
import os
import subprocess

from server import LIMIT_S, equal, main

EXPECTED = "200 of 200 answers\nno such method: /shout\n"


def gets_every_answer(program):
    for procs in "1", "4":
        for poller in "automatic", "epoll":
            done = subprocess.run([program], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S,
                                  env=os.environ | {"GMPMAXPROCS": procs, "GMPPOLLER": poller})
            equal((done.returncode, done.stdout, done.stderr), (0, EXPECTED, ""), f"what it prints with {procs} Ps and poller {poller}")


if __name__ == "__main__":
    main(gets_every_answer)
