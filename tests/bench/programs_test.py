#!/usr/bin/env python3
# tests/bench/programs_test.py — the programs that ./bench runs, for moments: they do what they say, and what is wrong is told.
#
# programs_test.py BUILD
import contextlib
import os
import pathlib
import socket
import subprocess
import sys
import threading
import unittest

import compare
import figures
import net

build = pathlib.Path(".")


def nothing(_):
    pass


class Network(unittest.TestCase):
    def rows(self, name, engine="uring", seconds=0.05):
        network = net.Net(build, seconds, engine)
        sides = network.sides(name)
        self.assertIn("ours", sides)
        self.assertEqual("bare" in sides, network.has_ring())
        rows = figures.measure(name, 1, sides, 1, nothing)
        self.assertEqual([(row.metric, row.unit) for row in rows], [("cpu", "us"), ("rate", "k/s")])
        for side in sides:
            cpu, rate = rows[0].median(side), rows[1].median(side)
            self.assertGreater(cpu, 0.01)
            self.assertLess(cpu * rate, 1001)  # us a message times thousands of them a second: what one CPU has
            self.assertGreater(rows[0].peaks[side][0], 500)

    def test_echo(self):
        for name, engine in (("echo_64c", "uring"), ("echo_64c", "epoll"), ("echo_64c_16k", "uring"), ("echo_64c_16k", "epoll"), ("echo_16c_x16", "epoll"),
                             ("echo_1c", "uring")):
            with self.subTest(name=name, engine=engine):
                self.rows(name, engine)

    def test_http(self):
        for engine in ("uring", "epoll"):
            with self.subTest(engine=engine):
                self.rows("http_64c", engine)


class Micro(unittest.TestCase):
    def test_a_twin_measures_what_ours_does(self):
        micro = compare.Micro(build)
        if "asio" not in micro.programs:
            self.skipTest("no Asio here")
        for procs in "1", "2":
            for name in micro.workloads["asio"]:
                found = [compare.run([micro.programs[side], "-procs", procs, "-runs", "1", "-scale", "0.001", name], {})[0] for side in ("ours", "asio")]
                with self.subTest(name=name, procs=procs):
                    ours, asio = [{metric: unit for metric, (_, unit) in each.items()} for each in found]
                    self.assertEqual(ours, asio)
                    self.assertNotEqual(ours, {})


class Wrong:
    """A server in this process that gives so many connections, one after the other, what it was told to."""

    def __init__(self, answer, connections=1):
        self.answer, self.connections = answer, connections
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        for _ in range(self.connections):
            conn, _ = self.listener.accept()
            with conn, contextlib.suppress(ConnectionError):
                while data := conn.recv(4096):
                    conn.sendall(self.answer(data))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.thread.join()
        self.listener.close()


class Errors(unittest.TestCase):
    def test_an_answer_that_is_not_the_message_is_told(self):
        for engine in ("uring", "epoll"):
            with self.subTest(engine=engine), Wrong(lambda data: data[:-1] + b"?") as server:
                self.assertEqual(self.generator(server.port, engine), (1, "generator: that is not the answer\n"))

    def test_an_answer_that_is_an_error_is_told(self):
        with Wrong(lambda data: b"HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno", connections=2) as server:
            self.assertEqual(self.generator(server.port, "uring", "-http"), (1, "generator: that is not the answer\n"))

    def test_an_answer_without_a_length_is_told(self):
        with Wrong(lambda data: b"HTTP/1.1 200 OK\r\n\r\n") as server:
            self.assertEqual(self.generator(server.port, "uring", "-http"), (1, "generator: an answer without a Content-Length\n"))

    def test_a_connection_that_ends_is_told(self):
        for engine in ("uring", "epoll"):
            with self.subTest(engine=engine), socket.create_server(("127.0.0.1", 0)) as listener:
                closer = threading.Thread(target=lambda: self.close_after_reading(listener.accept()[0]))
                closer.start()
                code, said = self.generator(listener.getsockname()[1], engine)
                closer.join()
                self.assertEqual(code, 1)
                self.assertRegex(said, "closed a connection|reset by peer")

    def close_after_reading(self, conn):
        conn.recv(4096)
        conn.close()

    def generator(self, port, engine, *more):
        ended = subprocess.run([build / "tests/gmpcoro_bench_generator", "-port", str(port), "-pid", str(os.getpid()), "-conns", "1", "-engine", engine, *more],
                               capture_output=True, text=True, check=False)
        return ended.returncode, ended.stderr

    def test_a_server_that_does_not_start_is_told(self):
        with self.assertRaisesRegex(SystemExit, "ended with 3\nno luck"):
            with net.Server(["sh", "-c", "echo no luck >&2; exit 3"], net.two_cpus()[0]):
                pass


if __name__ == "__main__":
    build = pathlib.Path(sys.argv.pop(1))
    unittest.main()
