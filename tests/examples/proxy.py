#!/usr/bin/env python3
# tests/examples/proxy.py — a proxy between clients that half-close, flood, fall silent, and servers that are dead, or mute, or slow.
#
# proxy.py PROGRAM
import socket
import struct
import threading

from server import LIMIT_S, Server, equal, main, receive, receive_all, require, wait_until


class Upstream:
    """A server that does with its first connections what it is told, one after the other."""

    def __init__(self, *serve):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "%s:%d" % self.listener.getsockname()
        self.failure = None
        self.thread = threading.Thread(target=self.run, args=(serve,), daemon=True)
        self.thread.start()

    def run(self, serve):
        try:
            for one in serve:
                connection, _ = self.listener.accept()
                connection.settimeout(LIMIT_S)
                with connection:
                    one(connection)
        except Exception as failure:  # told by done(), in the other thread
            self.failure = failure

    def done(self):
        self.thread.join(LIMIT_S)
        require(not self.thread.is_alive(), "the upstream server is not done")
        if self.failure:
            raise self.failure
        self.listener.close()


def ended(connection):
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def passes_on_the_end_of_one_way(program):
    def answers_when_it_has_all(connection):
        question = receive_all(connection)
        connection.sendall(b"you said " + question)

    def ends_first(connection):
        connection.sendall(b"hello")
        connection.shutdown(socket.SHUT_WR)
        equal(receive_all(connection), b"goodbye", "after the server's own end")

    upstream = Upstream(answers_when_it_has_all, ends_first)
    server = Server(program, f"--to={upstream.address}")
    client = server.connect()
    client.sendall(b"hello")
    client.shutdown(socket.SHUT_WR)
    equal(receive_all(client), b"you said hello", "answer")
    client = server.connect()
    equal(receive_all(client), b"hello", "greeting")
    client.sendall(b"goodbye")
    client.close()
    upstream.done()


def passes_on_much_both_ways(program):
    size = 16 << 20
    there, back = bytes(range(256)) * (size // 256), bytes(range(255, -1, -1)) * (size // 256)

    def both_ways(connection, sent, wanted):
        sender = threading.Thread(target=connection.sendall, args=(sent,), daemon=True)
        sender.start()
        require(receive(connection, size) == wanted, "what came is not what was sent")
        sender.join(LIMIT_S)
        connection.shutdown(socket.SHUT_WR)
        equal(receive_all(connection), b"", "after it")

    upstream = Upstream(lambda connection: both_ways(connection, back, there))
    both_ways(Server(program, f"--to={upstream.address}").connect(), there, back)
    upstream.done()


def ends_a_connection_to_a_dead_server(program):
    with socket.socket() as dead:  # bound, and not listening: nobody else gets the port
        dead.bind(("127.0.0.1", 0))
        server = Server(program, "--to=%s:%d" % dead.getsockname())
        require(ended(server.connect()), "there was something to read")
        require(ended(server.connect()), "there was something to read")  # and goes on


def queue(listener):
    """How many wait to be accepted, and how many may before the last one: of a listener TCP_INFO tells it as tcpi_unacked and tcpi_sacked."""
    return struct.unpack_from("=II", listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104), 24)


def gives_up_a_server_that_does_not_accept(program):
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = []
        while len(waiting) <= queue(full)[1]:  # until it is full, and the system drops whoever else wants to connect
            waiting.append(socket.create_connection(full.getsockname(), LIMIT_S))
            wait_until(lambda: queue(full)[0] == len(waiting), "who has connected waits in the queue")
        require(ended(Server(program, "--to=%s:%d" % full.getsockname(), "--dial-ms=200").connect()), "there was something to read")
        for one in waiting:
            one.close()


def ends_what_is_idle_and_nothing_else(program):
    def talks_for_a_while(connection):
        for _ in range(10):  # one way only, and longer than a connection may be idle
            connection.sendall(b"x")
            threading.Event().wait(0.25)
        require(ended(connection), "the server's side goes on")

    upstream = Upstream(talks_for_a_while)
    client = Server(program, f"--to={upstream.address}", "--idle-ms=2000").connect()
    equal(receive(client, 10), b"x" * 10, "what the server said in the meantime")
    require(ended(client), "the client's side goes on")
    upstream.done()


def drains_then_cuts(program):
    release = threading.Event()

    def answers_late(connection):
        connection.sendall(b"hello ")
        upstream.listener.close()  # to those who ask below whether the proxy still accepts
        release.wait(LIMIT_S)
        connection.sendall(b"late")

    upstream = Upstream(answers_late)
    server = Server(program, f"--to={upstream.address}")
    client = server.connect()
    equal(receive(client, 6), b"hello ", "greeting")
    stopping = threading.Thread(target=lambda: setattr(server, "said", server.stop()))
    stopping.start()
    while True:  # it has heard the signal when it refuses
        try:
            server.connect().close()
        except ConnectionError:
            break
    release.set()
    equal(receive_all(client), b"late", "the answer that was under way")
    client.close()
    stopping.join()
    equal(server.said, "drained\n", "its last words")
    upstream.done()

    def greets(connection):
        connection.sendall(b"hello")
        require(ended(connection), "the server's side goes on")

    upstream = Upstream(greets)
    server = Server(program, f"--to={upstream.address}", "--grace-ms=50")
    client = server.connect()
    equal(receive(client, 5), b"hello", "greeting")
    equal(server.stop(), "some links were cut\n", "its last words")
    require(ended(client), "the client's side goes on")
    upstream.done()


if __name__ == "__main__":
    main(passes_on_the_end_of_one_way, passes_on_much_both_ways, ends_a_connection_to_a_dead_server, gives_up_a_server_that_does_not_accept,
         ends_what_is_idle_and_nothing_else, drains_then_cuts)
