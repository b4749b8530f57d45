#!/usr/bin/env python3
# tests/examples/run_test.py — run.py objects to what it should object to, and to nothing else.
import os
import tempfile
import unittest

import run

SERVER = """#!/usr/bin/env python3
import socket, sys
listener = socket.create_server(("127.0.0.1", 0))
print("listening on 127.0.0.1:%d" % listener.getsockname()[1], flush=True)
while True:
    connection, _ = listener.accept()
    if {answers}: connection.sendall(connection.recv(4096))
    connection.close()
"""

# Ends at once on SIGTERM.
DROPS = """#!/usr/bin/env python3
import os, signal, socket, threading
listener = socket.create_server(("127.0.0.1", 0))
signal.signal(signal.SIGTERM, lambda *_: (listener.close(), os._exit(0)))
print("listening on 127.0.0.1:%d" % listener.getsockname()[1], flush=True)
def answer(connection):
    while connection.recv(4096): connection.sendall(b"hello\\n")
while True:
    threading.Thread(target=answer, args=(listener.accept()[0],)).start()
"""


class Run(unittest.TestCase):
    def complaint(self, source, program):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "program")
            with open(path, "w", encoding="utf-8") as file:
                file.write(program)
            os.chmod(path, 0o755)
            return run.check(source, path)

    def test_accepts_a_program_that_ends_well(self):
        self.assertIsNone(self.complaint("int main() {}", "#!/bin/sh\necho hello\n"))

    def test_objects_to_a_bad_status(self):
        self.assertIn("ended with 3", self.complaint("int main() {}", "#!/bin/sh\nexit 3\n"))

    def test_compares_the_output(self):
        source = "// x.cpp — x.\n//\n// Prints:\n//   hello\n//   …\n//   bye\n#include <x>\n"
        self.assertIsNone(self.complaint(source, "#!/bin/sh\nprintf 'hello\\na\\nb\\nbye\\n'\n"))
        self.assertIsNone(self.complaint(source, "#!/bin/sh\nprintf 'hello\\nbye\\n'\n"))
        self.assertIn("and not", self.complaint(source, "#!/bin/sh\nprintf 'hello\\nbye\\nmore\\n'\n"))

    def test_asks_a_server(self):
        self.assertIsNone(self.complaint("--port", SERVER.format(answers=True)))
        self.assertIn("without an answer", self.complaint("--port", SERVER.format(answers=False)))

    def test_objects_to_a_server_that_never_listens(self):
        self.assertIn("never said", self.complaint("--port", "#!/bin/sh\necho hello\n"))

    def test_objects_to_a_server_that_does_not_end(self):
        self.assertIn("of SIGTERM", self.complaint("--port", SERVER.format(answers=True).replace(
            "listener =", "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\nlistener =")))

    def test_looks_how_a_server_drains(self):
        self.assertIn("the request that had begun got", self.complaint("--port notify_context", DROPS))


if __name__ == "__main__":
    unittest.main()
