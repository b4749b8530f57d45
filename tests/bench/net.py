# tests/bench/net.py — the network workloads: servers as children, each on a CPU of its own, asked by the generator, or by Redis' own, on another.
#
# What counts is the server's CPU time a message, of all its threads, by the kernel's clock; and how many messages a second that makes.  A server is started
# anew for each run, with one P; it says itself where it listens.
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import time

import figures

# name: (what, kind of server, arguments of the generator)
ECHO_AND_HTTP = {
    "echo_64c": ("64 connections, 64 bytes, one message under way on each; CPU us a message", "echo", ["-conns", "64"]),
    "echo_256c": ("256 connections, 64 bytes, one message under way on each; CPU us a message", "echo", ["-conns", "256"]),
    "echo_64c_16k": ("64 connections, 16 KiB, one message under way on each; CPU us a message", "echo", ["-conns", "64", "-size", "16384"]),
    "echo_16c_x16": ("16 connections, 64 bytes, 16 messages under way on each; CPU us a message", "echo", ["-conns", "16", "-depth", "16"]),
    "echo_1c": ("1 connection, 64 bytes, one message under way; messages a second", "echo", ["-conns", "1"]),
    "http_64c": ("64 connections, GET /, 13 bytes come back; CPU us a request", "http", ["-conns", "64", "-http"]),
}
# name: (what, redis-benchmark's -P, requests in a second, about)
REDIS = {
    "redis_p1": ("redis-benchmark, 50 connections, SET, then GET; CPU us a request", 1, 80_000),
    "redis_p16": ("redis-benchmark -P 16, 50 connections, SET, then GET; CPU us a request", 16, 500_000),
}
WORKLOADS = {**{name: what for name, (what, _, _) in ECHO_AND_HTTP.items()}, **{name: what for name, (what, _, _) in REDIS.items()}}
SPIN_US = "50"  # as long as ours, with few operations in flight


def cpu_ns(pid):
    """CPU time that a process has used, all its threads: what clock_getcpuclockid(3) is for."""
    return time.clock_gettime_ns(~pid << 3 | 2)


def peak_kib(pid):
    return float(re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")).group(1))


def two_cpus():
    """The server's CPU and the generator's; one and the same if there is no other."""
    cpus = sorted(os.sched_getaffinity(0))
    return cpus[0], cpus[1 % len(cpus)]


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Server:
    """A program that listens, for the length of a `with`: on one CPU, with one P.  `port` is one that it was told, else it says which."""

    def __init__(self, command, cpu, port=0, ready=r"listening on \S+:(\d+)"):
        self.command, self.cpu, self.port, self.ready = [str(word) for word in command], cpu, port, ready

    def __enter__(self):
        self.complaints = tempfile.TemporaryFile("w+")  # of clients that leave in the middle of an answer, too
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=self.complaints, text=True,
                                        env={**os.environ, "GMPMAXPROCS": "1", "GOMAXPROCS": "1"},
                                        preexec_fn=lambda: os.sched_setaffinity(0, {self.cpu}))
        for line in self.process.stdout:
            found = re.search(self.ready, line)
            if found:
                self.pid, self.port = self.process.pid, self.port or int(found.group(1))
                return self
        self.process.wait()
        self.complaints.seek(0)
        said = self.complaints.read()
        self.__exit__()
        raise SystemExit(f"{' '.join(self.command)} ended with {self.process.returncode}\n{said}")

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.complaints.close()


def output_of(command, cpu):
    ended = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True, check=False,
                           preexec_fn=lambda: os.sched_setaffinity(0, {cpu}))
    if ended.returncode != 0:
        raise SystemExit(f"{' '.join(str(word) for word in command)} ended with {ended.returncode}")
    return ended.stdout


def ask(build, server, options, cpu):
    """Samples of one run of the generator."""
    return figures.samples(output_of([build / "tests/gmpcoro_bench_generator", "-port", server.port, "-pid", server.pid, *options], cpu))


def requests_a_second(csv):
    """{test: requests a second} of what redis-benchmark --csv prints."""
    lines = [[field.strip('"') for field in line.split('","')] for line in csv.splitlines() if line.startswith('"')]
    return {fields[0].lower(): float(fields[1]) for fields in lines if re.fullmatch(r"[\d.]+", fields[1])}


def ask_redis(server, together, count, cpu):
    """Samples of one run of redis-benchmark, and the server's peak: SET first, so that there is something to GET."""
    found = {}
    for test in ("set", "get"):
        before = cpu_ns(server.pid)
        rates = requests_a_second(output_of(["redis-benchmark", "-p", server.port, "-t", test, "-n", count, "-P", together, "--csv"], cpu))
        found[test] = ((cpu_ns(server.pid) - before) / 1e3 / count, "us")
        found[test + " rate"] = (rates[test] / 1e3, "k/s")
    return found, peak_kib(server.pid)


class Net:
    """The sides of each workload, as far as their programs are there."""

    def __init__(self, build, seconds, engine="uring"):
        self.build, self.seconds, self.engine = pathlib.Path(build), seconds, engine
        self.server_cpu, self.client_cpu = two_cpus()
        bare = self.build / "tests/gmpcoro_bench_bare"
        self.servers = {
            "echo": {"ours": [self.build / "examples/echo_server", "--port=0"], "go": [self.build / "goserve", "echo"],
                     "asio": [self.build / "tests/gmpcoro_bench_asio_echo"],
                     "asio_on_gmp": [self.build / "tests/gmpcoro_bench_asio_echo_on_gmp"], "bare": [bare, "echo"]},
            "http": {"ours": [self.build / "examples/http_hello", "--port=0"], "go": [self.build / "goserve", "http"], "bare": [bare, "http"]},
        }

    def sides(self, name):
        """What runs it once, for each side."""
        if name in REDIS:
            return self.redis_sides(*REDIS[name][1:])
        _, kind, options = ECHO_AND_HTTP[name]
        options = [*options, "-seconds", self.seconds, "-warmup", self.seconds / 4, "-engine", self.engine, "-name", name]
        found = {}
        for side, command in self.servers[kind].items():
            if not pathlib.Path(command[0]).exists() or side == "bare" and not self.has_ring():
                continue
            if side == "bare" and name == "echo_1c":
                command = [*command, SPIN_US]
            found[side] = lambda command=command: self.run(Server(command, self.server_cpu), lambda server: ask(self.build, server, options, self.client_cpu))
        return found

    def redis_sides(self, together, rate):
        if not shutil.which("redis-benchmark"):
            return {}
        count = max(1000, int(rate * self.seconds))
        commands = {"ours": lambda: Server([self.build / "examples/kv_server", "--port=0"], self.server_cpu)}
        if shutil.which("redis-server"):
            commands["redis"] = self.redis_server
        return {side: lambda make=make: self.run(make(), lambda server: ask_redis(server, together, count, self.client_cpu)) for side, make in commands.items()}

    def redis_server(self):
        port = free_port()
        words = ["redis-server", "--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no", "--dir", tempfile.gettempdir()]
        return Server(words, self.server_cpu, port=port, ready="Ready to accept connections")

    def run(self, server, question):
        with server:
            return question(server)

    def has_ring(self):
        """Whether the bare loop starts here: it ends with 77 where the kernel refuses."""
        if not hasattr(self, "ring"):
            with subprocess.Popen([self.build / "tests/gmpcoro_bench_bare", "echo"], stdout=subprocess.PIPE, text=True) as bare:
                self.ring = bool(bare.stdout.readline())
                bare.kill()
        return self.ring

    def circumstances(self, names):
        lines = [f"servers on CPU {self.server_cpu} with one P, what asks them on CPU {self.client_cpu}"
                 + ("; they share it, so rates say little" if self.server_cpu == self.client_cpu else "")]
        if shutil.which("redis-server") and any(name in REDIS for name in names):
            said = subprocess.run(["redis-server", "--version"], capture_output=True, text=True, check=False).stdout
            lines.append("Redis " + (re.search(r"v=(\S+)", said) or ["", "?"])[1])
        return lines
