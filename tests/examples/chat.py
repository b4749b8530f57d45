#!/usr/bin/env python3
# tests/examples/chat.py — talks to chat with several scripted clients, one of which does not read.
#
# chat.py PROGRAM
from server import Server, equal, main, receive, receive_all, require


class Client:
    def __init__(self, server, name, receive_buffer=None):
        self.connection = server.connect(receive_buffer)
        self.file = self.connection.makefile("rb")
        self.hears("your name?")
        self.says(name)

    def says(self, line):
        self.connection.sendall(line.encode() + b"\n")

    def hears(self, *lines):
        for line in lines:
            equal(self.file.readline().decode(), line + "\n", "heard")

    def sees_the_end(self):
        equal(self.file.read(), b"", "after the end")


def ann_and_bob(server):
    ann = Client(server, "ann")
    ann.hears("* ann has joined lobby")  # else bob may be there first
    bob = Client(server, "bob")
    for client in ann, bob:
        client.hears("* bob has joined lobby")
    return ann, bob


def rooms_keep_apart_who_is_in_them(program):
    server = Server(program)
    ann, bob = ann_and_bob(server)
    bob.says("good morning")
    for client in ann, bob:
        client.hears("bob: good morning")
    bob.says("/join garden")
    ann.hears("* bob has left lobby")
    bob.hears("* bob has joined garden")
    cid = Client(server, "cid")
    for client in ann, cid:
        client.hears("* cid has joined lobby")
    cid.says("/join garden")
    ann.hears("* cid has left lobby")
    for client in bob, cid:
        client.hears("* cid has joined garden")
    bob.says("only for the garden")
    ann.says("only for the lobby")
    ann.hears("ann: only for the lobby")
    for client in bob, cid:
        client.hears("bob: only for the garden")
    cid.says("/quit")
    cid.sees_the_end()
    bob.hears("* cid has left garden")
    bob.connection.shutdown(1)
    bob.sees_the_end()  # bob alone was there; the room is gone, and can be made anew
    ann.says("/join garden")
    ann.hears("* ann has joined garden")


def who_talks_fast_loses_nobody(program):
    server = Server(program)
    ann, bob = ann_and_bob(server)
    lines = [f"line {i}" for i in range(2000)]
    bob.says("\n".join(lines))
    for client in ann, bob:
        client.hears(*(f"bob: {line}" for line in lines))


def who_does_not_read_is_put_out(program):
    server = Server(program)
    ann, bob = ann_and_bob(server)
    sleeper = Client(server, "sleeper", receive_buffer=4096)
    sleeper.says("good night")
    for client in ann, bob:
        client.hears("* sleeper has joined lobby", "sleeper: good night")
    for i in range(20_000):
        bob.says(f"{i} " + "x" * 4000)
        line, bobs = (client.file.readline().decode() for client in (ann, bob))  # else bob does not read, either
        equal(bobs, line, "bob heard")
        if line.startswith("* sleeper"):
            break
        equal(line, f"bob: {i} " + "x" * 4000 + "\n", "ann heard")
    equal(line, "* sleeper was too slow for lobby\n", "ann heard, in the end")
    sleeper.connection.close()


def all_leave_when_it_is_told_to_end(program):
    server = Server(program)
    ann = Client(server, "ann")
    ann.hears("* ann has joined lobby")
    nameless = server.connect()
    equal(receive(nameless, 11), b"your name?\n", "who has not said a name")  # so it has been accepted
    ann.says("bye")
    ann.hears("ann: bye")
    said = server.stop()
    equal(said, "everybody has left\n", "its last words")
    ann.sees_the_end()
    equal(receive_all(nameless), b"", "who had not said a name")
    try:
        server.connect()
    except ConnectionRefusedError:
        return
    require(False, "it listens still")


if __name__ == "__main__":
    main(rooms_keep_apart_who_is_in_them, who_talks_fast_loses_nobody, who_does_not_read_is_put_out, all_leave_when_it_is_told_to_end)
