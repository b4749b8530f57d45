#!/usr/bin/env python3
# tests/examples/curl_multi.py — lets curl_multi fetch from http_hello, from a server that answers in pieces, and where nobody listens.
#
# curl_multi.py PROGRAM
import http.server
import os
import socket
import subprocess
import threading
import time

from server import LIMIT_S, Server, equal, main, require


def fetch(program, url, count):
    done = subprocess.run([program, url, str(count)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S)
    require(not done.stderr, done.stderr)
    return done.returncode, done.stdout


def fetches_a_thousand_times(program):
    server = Server(os.path.join(os.path.dirname(program), "http_hello"))
    equal(fetch(program, "http://%s:%d/" % server.address, 1000), (0, "1000: No error\n13000 bytes\n"), "a thousand")


def waits_for_what_comes_in_pieces(program):
    class Pieces(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            for _ in range(5):
                self.wfile.write(b"x" * 50_000)
                self.wfile.flush()
                time.sleep(0.01)  # as a slow server does

        def log_message(self, *_):
            pass

    class Many(http.server.ThreadingHTTPServer):
        request_queue_size = 200

    with Many(("127.0.0.1", 0), Pieces) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        equal(fetch(program, "http://127.0.0.1:%d/" % server.server_port, 150), (0, "150: No error\n37500000 bytes\n"), "in pieces")
        server.shutdown()


def says_that_nobody_listens(program):
    with socket.socket() as taken:  # bound, and not listening
        taken.bind(("127.0.0.1", 0))
        equal(fetch(program, "http://127.0.0.1:%d/" % taken.getsockname()[1], 20),
              (0, "20: Couldn't connect to server\n0 bytes\n"), "refused")


if __name__ == "__main__":
    main(fetches_a_thousand_times, waits_for_what_comes_in_pieces, says_that_nobody_listens)
