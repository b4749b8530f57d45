# tests/examples/server.py — what the drivers of the example servers share: a server, clients, and how one waits for what must come.
import atexit
import re
import signal
import socket
import subprocess
import sys
import threading
import time

LIMIT_S = 20


class Server:
    """A program that was started with --port=0, and its address. It is killed when the limit is over, so that no read from it waits for ever."""

    def __init__(self, program, *options):
        self.process = subprocess.Popen([program, "--port=0", *options], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.killer = threading.Timer(LIMIT_S, self.process.kill)
        self.killer.daemon = True
        self.killer.start()
        atexit.register(self.end)
        said = re.fullmatch(r"listening on (.+):(\d+)\n", self.process.stdout.readline())
        require(said, "it never said 'listening on HOST:PORT'")
        self.address = said[1], int(said[2])

    def connect(self, receive_buffer=None):
        connection = socket.socket()
        if receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.settimeout(LIMIT_S)
        connection.connect(self.address)
        return connection

    def stop(self):
        """What it says after SIGTERM, until it has ended with status 0."""
        self.process.send_signal(signal.SIGTERM)
        said = self.process.stdout.read()
        status = self.process.wait(LIMIT_S)
        require(status == 0, f"it ended with {status} on SIGTERM")
        return said

    def end(self):
        self.killer.cancel()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def require(holds, otherwise):
    if not holds:
        raise AssertionError(otherwise)


def equal(found, wanted, what):
    require(found == wanted, f"{what}: {shorten(found)}, and not {shorten(wanted)}")


def shorten(value):
    text = repr(value)
    return text if len(text) < 400 else f"{text[:200]}… ({len(text)} characters)"


def receive(connection, size):
    """That many bytes; fewer if the connection ends."""
    data = bytearray()
    while len(data) < size:
        more = connection.recv(min(size - len(data), 1 << 20))
        if not more:
            break
        data += more
    return bytes(data)


def receive_all(connection):
    data = b""
    while more := connection.recv(1 << 16):
        data += more
    return data


def wait_until(condition, what):
    """Asks again and again, until it is so: for what no event tells."""
    end = time.monotonic() + LIMIT_S
    while not condition():
        require(time.monotonic() < end, f"never: {what}")
        time.sleep(0.01)


def main(*checks):
    """Runs each check with the program that the command line names."""
    for check in checks:
        try:
            check(sys.argv[1])
        except (AssertionError, OSError) as failure:
            sys.exit(f"{check.__name__}: {type(failure).__name__}: {failure}")
