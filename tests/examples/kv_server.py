#!/usr/bin/env python3
# tests/examples/kv_server.py — asks kv_server what Redis' own tools ask, and what they would not: pieces, floods, nonsense.
#
# kv_server.py PROGRAM      Status 77, which ctest takes for "skipped", if Debian's package redis-tools is not there.
import re
import shutil
import subprocess
import sys

from server import LIMIT_S, Server, equal, main, receive, receive_all, require, wait_until


def request(*words):
    words = [word if isinstance(word, bytes) else word.encode() for word in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def ask(connection, sent, answer):
    connection.sendall(sent)
    equal(receive(connection, len(answer)), answer, sent[:80])


def cli(server, lines, *options):
    """What redis-cli prints, given these lines: as it would on a terminal."""
    done = subprocess.run(["redis-cli", "-p", str(server.address[1]), "--no-raw", *options], input=lines, capture_output=True, text=True, timeout=LIMIT_S)
    return done.stdout + done.stderr


# Words, and what redis-cli prints: redis-server 7.0 prints the same.
TALK = (
    ("ping", "PONG"),
    ("PING hello", '"hello"'),
    ("ping a b", "(error) ERR wrong number of arguments for 'ping' command"),
    ("echo hello", '"hello"'),
    ("echo", "(error) ERR wrong number of arguments for 'echo' command"),
    ("get nothing", "(nil)"),
    ("get", "(error) ERR wrong number of arguments for 'get' command"),
    ("get a b", "(error) ERR wrong number of arguments for 'get' command"),
    ("set hello world", "OK"),
    ("get hello", '"world"'),
    ("Set hello there", "OK"),
    ("gEt hello", '"there"'),
    ("set hello", "(error) ERR wrong number of arguments for 'set' command"),
    ("set hello world ex", "(error) ERR syntax error"),
    ("set hello world for 5", "(error) ERR syntax error"),
    ("set hello world ex 0", "(error) ERR invalid expire time in 'set' command"),
    ("set hello world ex -1", "(error) ERR invalid expire time in 'set' command"),
    ("set hello world px 0", "(error) ERR invalid expire time in 'set' command"),
    ("set hello world ex 9223372036854775807", "(error) ERR invalid expire time in 'set' command"),
    ("set hello world ex 1.5", "(error) ERR value is not an integer or out of range"),
    ("set hello world ex soon", "(error) ERR value is not an integer or out of range"),
    ("get hello", '"there"'),
    ("ttl hello", "(integer) -1"),
    ("ttl nothing", "(integer) -2"),
    ("set hello world ex 100", "OK"),
    ("ttl hello", "(integer) 100"),
    ("set hello world EX 9223372036", "OK"),
    ("ttl hello", "(integer) 9223372036"),
    ("set hello world", "OK"),
    ("ttl hello", "(integer) -1"),
    ("expire hello 200", "(integer) 1"),
    ("ttl hello", "(integer) 200"),
    ("expire hello 300", "(integer) 1"),
    ("ttl hello", "(integer) 300"),
    ("expire nothing 200", "(integer) 0"),
    ("expire hello never", "(error) ERR value is not an integer or out of range"),
    ("expire hello 9223372036854775807", "(error) ERR invalid expire time in 'expire' command"),
    ("expire hello -9223372036854775807", "(error) ERR invalid expire time in 'expire' command"),
    ("expire hello", "(error) ERR wrong number of arguments for 'expire' command"),
    ("expire hello 0", "(integer) 1"),
    ("get hello", "(nil)"),
    ("set hello world px 100000", "OK"),
    ("expire hello -5", "(integer) 1"),
    ("get hello", "(nil)"),
    ("incr n", "(integer) 1"),
    ("incr n", "(integer) 2"),
    ("get n", '"2"'),
    ("expire n 50", "(integer) 1"),
    ("incr n", "(integer) 3"),
    ("ttl n", "(integer) 50"),
    ("set n -1", "OK"),
    ("incr n", "(integer) 0"),
    ("set n 9223372036854775806", "OK"),
    ("incr n", "(integer) 9223372036854775807"),
    ("incr n", "(error) ERR increment or decrement would overflow"),
    ("set n 9223372036854775808", "OK"),
    ("incr n", "(error) ERR value is not an integer or out of range"),
    ("set n 01", "OK"),
    ("incr n", "(error) ERR value is not an integer or out of range"),
    ("set n -0", "OK"),
    ("incr n", "(error) ERR value is not an integer or out of range"),
    ("set n word", "OK"),
    ("incr n", "(error) ERR value is not an integer or out of range"),
    ("set a 1", "OK"),
    ("set b 2", "OK"),
    ("mget a nothing b a", '1) "1"\n2) (nil)\n3) "2"\n4) "1"'),
    ("mget", "(error) ERR wrong number of arguments for 'mget' command"),
    ("del a nothing b a", "(integer) 2"),
    ("del a", "(integer) 0"),
    ("del", "(error) ERR wrong number of arguments for 'del' command"),
    ("no such command", "(error) ERR unknown command 'no', with args beginning with: 'such' 'command' "),
    ("no", "(error) ERR unknown command 'no', with args beginning with: "),
    ("config get save", '1) "save"\n2) ""'),
    ("config", "(error) ERR wrong number of arguments for 'config' command"),
    ("command", "(empty array)"),
)


def says_what_redis_says(program):
    server = Server(program)
    words = [words for words, _ in TALK]
    answers = [answer for _, answer in TALK]
    found = cli(server, "\n".join(words)).split("\n")
    for word, answer in zip(words, answers):
        lines = answer.split("\n")
        if word.startswith("ttl") and not answer.startswith("(integer) -"):  # time may go by
            left, most = int(found[0].removeprefix("(integer) ")), int(answer.removeprefix("(integer) "))
            require(most - LIMIT_S <= left <= most, f"{word}: {left} s, and not {most}")
        else:
            equal(found[:len(lines)], lines, word)
        del found[:len(lines)]
    equal(found, [""], "the rest")
    equal(cli(server, "set key 'a word' px 100000\nget key"), 'OK\n"a word"\n', "quotes, which redis-cli takes off")
    require("unknown command 'HELLO'" in cli(server, "ping", "-3"), "HELLO is not known, as to an old Redis")
    require("db0:keys=2" in cli(server, "info"), "info")


def is_measured_by_redis_benchmark(program):
    server = Server(program)
    for pipeline in "1", "16":
        done = subprocess.run(["redis-benchmark", "-p", str(server.address[1]), "-t", "ping,set,get,incr", "-n", "2000", "-c", "20", "-P", pipeline,
                               "-r", "100", "-q"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S)
        rates = re.findall(r"(\w+): [\d.]+ requests per second", done.stdout)
        require(done.returncode == 0 and rates == ["PING_INLINE", "PING_MBULK", "SET", "GET", "INCR"] and not done.stderr,
                f"redis-benchmark -P {pipeline}: {done.stdout} {done.stderr}")


def answers_a_thousand_requests_that_come_together(program):
    connection = Server(program).connect()
    sent = b"".join(request("SET", f"key{i}", "v" * i) + request("GET", f"key{i}") for i in range(500))
    ask(connection, sent, b"".join(b"+OK\r\n$%d\r\n%s\r\n" % (i, b"v" * i) for i in range(500)))
    ask(connection, request("INCR", "n") * 1000, b"".join(b":%d\r\n" % i for i in range(1, 1001)))
    connection.sendall(request("INCR", "n") * 10)  # and no more: what has come is answered, also by a server that sees the end
    connection.shutdown(1)
    equal(receive_all(connection), b"".join(b":%d\r\n" % i for i in range(1001, 1011)), "the last ones")


def keeps_large_values_and_any_byte(program):
    connection = Server(program).connect()
    value = bytes(range(256)) * 4096
    ask(connection, request(b"SET", b"\0\r\n$\xff", value), b"+OK\r\n")
    ask(connection, request(b"GET", b"\0\r\n$\xff") * 3, b"$1048576\r\n%s\r\n" % value * 3)
    ask(connection, request("SET", "empty", "") + request("GET", "empty"), b"+OK\r\n$0\r\n\r\n")
    many = [b"k%d" % i for i in range(100_000)]
    ask(connection, request(b"MGET", *many), b"*100000\r\n" + b"$-1\r\n" * 100_000)


def waits_for_the_rest(program):
    server = Server(program)
    connection = server.connect()
    whole = request("SET", "key", "value") + request("GET", "key")
    for at in range(1, len(whole)):  # the answer to a whole request comes, whatever of the next one is there
        connection.sendall(whole[:at])
        if at >= len(request("SET", "key", "value")):
            equal(receive(connection, 5), b"+OK\r\n", f"after {at} bytes")
            ask(connection, whole[at:], b"$5\r\nvalue\r\n")
        else:
            ask(connection, whole[at:], b"+OK\r\n$5\r\nvalue\r\n")
    for byte in whole:
        connection.sendall(bytes([byte]))
    equal(receive(connection, 16), b"+OK\r\n$5\r\nvalue\r\n", "byte by byte")
    connection.sendall(request("SET", "key", "other")[:-3])
    connection.close()  # that was no request
    ask(server.connect(), request("GET", "key"), b"$5\r\nvalue\r\n")


def takes_lines(program):
    connection = Server(program).connect()
    ask(connection, b"SET key value\r\nget  \t key \nPING\r\n\r\n  \r\nECHO x\r\n", b"+OK\r\n$5\r\nvalue\r\n+PONG\r\n$1\r\nx\r\n")
    ask(connection, b"*0\r\n*-1\r\nPING\r\n", b"+PONG\r\n")


def ends_what_is_no_request(program):
    server = Server(program)
    for sent, why in (
            (b"*x\r\n", b"invalid multibulk length"),
            (b"*2147483648\r\n", b"invalid multibulk length"),
            (b"*1\r\nGET\r\n", b"expected '$', got 'G'"),
            (b"*1\r\n$-1\r\n", b"invalid bulk length"),
            (b"*1\r\n$x\r\n", b"invalid bulk length"),
            (b"*1\r\n$536870913\r\n", b"invalid bulk length"),
            (b"x" * 70_000, b"too big inline request"),
            (b"*1\r\n$" + b"1" * 70_000, b"too big bulk count string"),
    ):
        connection = server.connect()
        connection.sendall(request("PING") + sent)
        answer = b"+PONG\r\n-ERR Protocol error: " + why + b"\r\n"
        equal(receive(connection, len(answer)), answer, sent[:20])
        try:
            require(receive_all(connection) == b"", "it went on")
        except ConnectionResetError:
            pass  # there were bytes that it did not read
    ask(server.connect(), request("a\r\n+OK", "x" * 200, "y"),
        b"-ERR unknown command 'a  +OK', with args beginning with: '" + b"x" * 128 + b"' \r\n")
    ask(server.connect(), request("PING"), b"+PONG\r\n")


def forgets_what_has_expired(program):
    server = Server(program)
    connection = server.connect()

    def ttl():
        connection.sendall(request("TTL", "short"))
        return connection.recv(100)

    def keys():
        connection.sendall(request("INFO"))
        return connection.recv(1000).split(b"db0:")[1]

    ask(connection, request("SET", "short", "x", "EX", "1") + request("GET", "short"), b"+OK\r\n$1\r\nx\r\n")
    wait_until(lambda: ttl() == b":-2\r\n", "it is gone")
    ask(connection, request("GET", "short") + request("DEL", "short"), b"$-1\r\n:0\r\n")
    sent = b"".join(request("SET", f"key{i}", "x", "PX", str(1 + i % 20)) for i in range(1000)) + request("SET", "stays", "x", "EX", "100")
    ask(connection, sent + request("SET", "key0", "x"), b"+OK\r\n" * 1002)
    wait_until(lambda: keys() == b"keys=2\r\n\r\n", "the others are swept, though nobody looks at them")
    ask(connection, request("MGET", "stays", "key0", "key1"), b"*3\r\n$1\r\nx\r\n$1\r\nx\r\n$-1\r\n")


def serves_many_at_once(program):
    server = Server(program)
    connections = [server.connect() for _ in range(50)]
    for connection in connections:
        connection.sendall(request("INCR", "n") * 100)
    for connection in connections:
        data = b""
        while data.count(b"\n") < 100:
            data += connection.recv(4096)
        numbers = [int(line[1:]) for line in data.split()]
        require(numbers == sorted(set(numbers)) and len(numbers) == 100, f"a hundred INCR gave {numbers}")
    ask(connections[0], request("GET", "n"), b"$4\r\n5000\r\n")


if __name__ == "__main__":
    if not (shutil.which("redis-cli") and shutil.which("redis-benchmark")):
        print("skipped: there is no redis-cli or redis-benchmark (Debian: redis-tools)")
        sys.exit(77)
    main(says_what_redis_says, is_measured_by_redis_benchmark, answers_a_thousand_requests_that_come_together, keeps_large_values_and_any_byte,
         waits_for_the_rest, takes_lines, ends_what_is_no_request, forgets_what_has_expired, serves_many_at_once)
