#!/usr/bin/env python3
# tests/examples/run.py — runs one example and compares what it does with what its source says.
#
# run.py SOURCE PROGRAM
# A plain example ends by itself with status 0, within 20 s.  If its source has a comment block
#   // Prints:
#   //   hello
# then its stdout is just that; a line "…" there stands for any number of lines.
# One that mentions "too many open files" is also started with few descriptors: it must outlive more clients than it has, without turning round.
# An example whose source mentions --port is a server: it is started with --port=0, must say "listening on HOST:PORT", must answer an HTTP
# request (an echo counts), and must end within 5 s of SIGTERM.  If the source mentions notify_context it drains: a request that has begun before
# the SIGTERM is answered, its connection then ends, new ones are refused, and the status is 0.  One that mentions tls_server is given a certificate,
# made by openssl, and is asked over TLS.
import os
import re
import resource
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

LIMIT_S = 20
STOP_LIMIT_S = 5


def expected_output(source):
    """The lines of the // Prints: block, or None."""
    lines = source.split("\n")
    start = next((i for i, line in enumerate(lines) if re.fullmatch(r"\s*// Prints:", line)), None)
    if start is None:
        return None
    block = []
    for line in lines[start + 1:]:
        match = re.fullmatch(r"\s*//(?:   ?(.*))?", line)
        if not match:
            break
        block.append((match[1] or "").rstrip())
    return block


def matches(lines, pattern):
    """Whether the lines are those of the pattern, where "…" stands for any number of them."""
    if not pattern:
        return not lines
    if pattern[0] == "…":
        return any(matches(lines[i:], pattern[1:]) for i in range(len(lines) + 1))
    return bool(lines) and lines[0].rstrip() == pattern[0] and matches(lines[1:], pattern[1:])


def run_plain(program, expected):
    try:
        done = subprocess.run([program], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S)
    except subprocess.TimeoutExpired as slow:
        return f"did not end within {LIMIT_S} s; it printed: {slow.stdout} {slow.stderr}"
    if done.returncode != 0:
        return f"ended with {done.returncode}\n{done.stdout}{done.stderr}"
    if expected is not None and not matches(done.stdout.rstrip("\n").split("\n"), expected):
        return "printed\n" + done.stdout + "and not, as its source says,\n" + "\n".join(expected)
    return None


REQUEST = b"GET / HTTP/1.1\r\nHost: example\r\n\r\n"


def receive(connection, until_end):
    """An answer, or all there is until the end, by a reset if it must be: one that nobody has accepted yet ends so."""
    data = b""
    while until_end or not data.endswith(b"hello\n"):
        try:
            more = connection.recv(4096)
        except ConnectionResetError:
            break
        if not more:
            break
        data += more
    return data


def drain(server, address):
    """What is wrong with how it drains, or None."""
    with socket.create_connection(address, LIMIT_S) as connection, socket.create_connection(address, LIMIT_S) as idle:
        connection.settimeout(LIMIT_S)
        idle.settimeout(LIMIT_S)
        connection.sendall(REQUEST + REQUEST[:20])  # and the second one has begun
        if not receive(connection, False):
            return "no answer to the first request"
        server.send_signal(signal.SIGTERM)
        if receive(idle, True):
            return "an idle connection got an answer"
        if not refuses(address):
            return "new connections were accepted after SIGTERM"
        try:
            connection.sendall(REQUEST[20:])
            answer = receive(connection, True)
        except ConnectionError:
            answer = b""
        if b"Connection: close" not in answer or not answer.endswith(b"hello\n"):
            return f"the request that had begun got {answer}"
    try:
        status = server.wait(STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        return f"did not end within {STOP_LIMIT_S} s of its last connection"
    return None if status == 0 else f"ended with {status} on SIGTERM"


def refuses(address):
    """Whether it does so before long: whoever ends the idle ones need not be who listens."""
    end = time.monotonic() + STOP_LIMIT_S
    while time.monotonic() < end:
        try:
            socket.create_connection(address, LIMIT_S).close()
        except ConnectionRefusedError:
            return True
        except ConnectionResetError:  # it came just before
            pass
    return False


def make_certificate(folder):
    """A file with a key and a certificate for 127.0.0.1, and one with the certificate alone."""
    both, certificate = os.path.join(folder, "both.pem"), os.path.join(folder, "cert.pem")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost",
               "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2", "-keyout", both, "-out", certificate]
    subprocess.run(command, check=True, capture_output=True)
    with open(both, "a", encoding="ascii") as out, open(certificate, encoding="ascii") as one:
        out.write(one.read())
    return both, certificate


def connect(address, certificate):
    connection = socket.create_connection(address, LIMIT_S)
    if certificate is None:
        return connection
    return ssl.create_default_context(cafile=certificate).wrap_socket(connection, server_hostname=address[0])


def run_tls_server(program):
    with tempfile.TemporaryDirectory() as folder:
        both, certificate = make_certificate(folder)
        return run_server(program, False, [both], certificate)


def run_server(program, drains, arguments=(), certificate=None):
    server = subprocess.Popen([program, "--port=0", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    killer = threading.Timer(LIMIT_S, server.kill)  # then the reads below end
    killer.start()
    try:
        address = None
        for line in server.stdout:
            address = re.match(r"listening on (.+):(\d+)$", line.rstrip())
            if address:
                break
        if not address:
            return "never said 'listening on HOST:PORT'"
        with connect((address[1], int(address[2])), certificate) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: example\r\nConnection: close\r\n\r\n")
            try:
                answer = connection.recv(4096)
            except ConnectionResetError:
                answer = b""
            if not answer:
                return "closed the connection without an answer"
        if drains:
            return drain(server, (address[1], int(address[2])))
        server.send_signal(signal.SIGTERM)
        try:
            status = server.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            return f"did not end within {STOP_LIMIT_S} s of SIGTERM"
        return None if status in (0, -signal.SIGTERM) else f"ended with {status} on SIGTERM"
    finally:
        killer.cancel()
        server.kill()
        server.wait()
        server.stdout.close()


def run_out_of_descriptors(program, arguments=()):
    """More clients than it has descriptors: it goes on when they have left, and has not turned round meanwhile."""
    def allow_few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))

    server = subprocess.Popen([program, "--port=0", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, preexec_fn=allow_few)
    killer = threading.Timer(LIMIT_S, server.kill)
    killer.start()
    try:
        said = re.match(r"listening on (.+):(\d+)$", server.stdout.readline())
        if not said:
            return "with 64 descriptors it never said 'listening on HOST:PORT'"
        address = (said[1], int(said[2]))
        clients = [socket.create_connection(address, LIMIT_S) for _ in range(100)]
        before, begin = cpu_s(server), time.monotonic()
        time.sleep(0.5)
        used, took = cpu_s(server) - before, time.monotonic() - begin
        for client in clients:
            client.close()
        if used > took / 4:
            return f"without descriptors it used {used:.2f} s of CPU in {took:.2f} s"
        with socket.create_connection(address, LIMIT_S) as client:
            client.sendall(REQUEST)
            try:
                answer = client.recv(4096)
            except ConnectionResetError:
                answer = b""
        return None if answer else "it gave no answer after it had been out of descriptors"
    finally:
        killer.cancel()
        server.kill()
        server.wait()
        server.stdout.close()


def cpu_s(process):
    with open(f"/proc/{process.pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def check(source, program):
    if "tls_server" in source:
        return run_tls_server(program)
    if "--port" not in source:
        return run_plain(program, expected_output(source))
    complaint = run_server(program, "notify_context" in source)
    if not complaint and "too many open files" in source:
        complaint = run_out_of_descriptors(program)
    return complaint


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        complaint = check(file.read(), sys.argv[2])
    if complaint:
        sys.exit(f"{sys.argv[1]}: {complaint}")


if __name__ == "__main__":
    main()
