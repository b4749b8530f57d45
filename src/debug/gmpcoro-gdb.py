# src/debug/gmpcoro-gdb.py — goroutines in gdb: `info goroutines`, `goroutine N bt`; of a live process and of a core file.
# Go: src/runtime/runtime-gdb.py.
#
#   (gdb) source gmpcoro-gdb.py
#   (gdb) info goroutines
#     1 running       main(...)  main.cpp:12
#     7 chan receive  worker(gmp::Chan<int>)  pool.cpp:41
#   (gdb) goroutine 7 bt
#
# Nothing of the program is run, and no debug information is needed: the library says in gmpcoro_gdb_table how its records lie (src/sched/gtable.cpp).
# A goroutine that waits is shown with all its awaits. Of one that runs the frames change under a debugger's eyes: `goroutine N bt` shows
# its last await, and its thread's own stack, which is exact.
import struct

import gdb

FIELDS = (
    "version slabs slab_next slab_gs slab_gs_count g_size g_leaf g_status g_reason g_m g_last_await g_id g_parent_id g_created_at"
    " frame_parent frame_site m_thread"
).split()
STATUS = {1: "runnable", 2: "running", 3: "blocking", 4: "waiting"}
FRAMES_MAX = 100


def memory(address, size):
    return bytes(gdb.selected_inferior().read_memory(address, size))


def word(address):
    return struct.unpack("Q", memory(address, 8))[0]


def text(address):
    if address == 0:
        return ""
    out = b""
    while b"\0" not in out:
        try:
            out += memory(address + len(out), 64 - (address + len(out)) % 64)  # never over a page's end
        except gdb.MemoryError:
            return "?"  # a string of the program's, which is not in a small core file
    return out[: out.index(b"\0")].decode("utf-8", "replace")


class Layout:
    def __init__(self):
        try:
            at = int(gdb.parse_and_eval("(unsigned long)&gmpcoro_gdb_table"))
        except gdb.error:
            raise gdb.GdbError("there is no gmpcoro in this program, or it has no symbols (was it stripped?)")
        for i, name in enumerate(FIELDS):
            setattr(self, name, word(at + 8 * i))
        if self.version != 1:
            raise gdb.GdbError("this script is of another version than the library in the program")
        self.reasons = [text(word(at + 8 * (len(FIELDS) + i))) for i in range(32)]


def pretty(name):
    """As pretty_function() of dump.cpp: g++ names a coroutine's actor "void f(f(int)::_Z1fi.Frame*)"."""
    frame = name.rfind(".Frame*)")
    mangled = name.rfind("::_Z", 0, frame) if frame >= 0 else -1
    if mangled < 0:
        return name
    depth = 0
    for i in range(mangled - 1, -1, -1):
        c = name[i]
        if c in ")>":
            depth += 1
        if c == "<" and depth > 0:
            depth -= 1
        if c == "(":
            if depth == 0:
                return name[i + 1 : mangled]
            depth -= 1
    return name


class Place:
    """A std::source_location: a pointer to file, function, line, column."""

    def __init__(self, address):
        where = word(address)
        self.known = where != 0
        if self.known:
            file, function, self.line = struct.unpack("QQI", memory(where, 20))
            self.known = self.line != 0
        if self.known:
            self.file, self.function = text(file), pretty(text(function))

    def __str__(self):
        return "%s  %s:%d" % (self.function, self.file, self.line)


class Goroutine:
    def __init__(self, layout, at):
        self.layout, self.at = layout, at
        self.status = struct.unpack("I", memory(at + layout.g_status, 4))[0] & 0xFF
        self.id = word(at + layout.g_id)

    def state(self):
        if self.status != 4:
            return STATUS.get(self.status, "?")
        return self.layout.reasons[memory(self.at + self.layout.g_reason, 1)[0] % 32] or "waiting"

    def frames(self):
        """Innermost first."""
        if self.status != 4:
            last = Place(self.at + self.layout.g_last_await)
            return [last] if last.known else []
        found = []
        link = word(self.at + self.layout.g_leaf)
        while link != 0 and len(found) < FRAMES_MAX:
            place = Place(link + self.layout.frame_site)
            if place.known:
                found.append(place)
            link = word(link + self.layout.frame_parent)
        return found

    def thread(self):
        """gdb's thread that runs it, or None."""
        m = word(self.at + self.layout.g_m)
        if self.status != 2 or m == 0:
            return None
        handle = memory(m + self.layout.m_thread, 8)
        for thread in gdb.selected_inferior().threads():
            try:
                if bytes(thread.handle()) == handle:
                    return thread
            except gdb.error:
                pass  # a core file without libthread_db
        return None

    def created(self):
        parent = word(self.at + self.layout.g_parent_id)
        place = Place(self.at + self.layout.g_created_at)
        by = "goroutine %d" % parent if parent != 0 else "a thread"
        return "created by %s at %s" % (by, "%s:%d" % (place.file, place.line) if place.known else "?")


def goroutines():
    layout = Layout()
    found = []
    slab = word(layout.slabs)
    while slab != 0:
        for i in range(layout.slab_gs_count):
            g = Goroutine(layout, slab + layout.slab_gs + i * layout.g_size)
            if g.status in STATUS:
                found.append(g)
        slab = word(slab + layout.slab_next)
    return sorted(found, key=lambda g: g.id)


class InfoGoroutines(gdb.Command):
    """List the goroutines of gmpcoro: number, state or what each waits for, and its innermost await."""

    def __init__(self):
        super().__init__("info goroutines", gdb.COMMAND_STATUS)

    def invoke(self, _arguments, _from_tty):
        for g in goroutines():
            frames = g.frames()
            print("%6d %-20s %s" % (g.id, g.state(), frames[0] if frames else g.created()))


class GoroutineCommand(gdb.Command):
    """Show one goroutine: `goroutine N bt`. N may be `all`."""

    def __init__(self):
        super().__init__("goroutine", gdb.COMMAND_STACK)

    def invoke(self, arguments, _from_tty):
        words = gdb.string_to_argv(arguments)
        if len(words) != 2 or words[1] not in ("bt", "backtrace") or not (words[0] == "all" or words[0].isdigit()):
            raise gdb.GdbError("usage: goroutine N bt, goroutine all bt")
        chosen = [g for g in goroutines() if words[0] == "all" or g.id == int(words[0])]
        if not chosen:
            raise gdb.GdbError("there is no goroutine " + words[0])
        for g in chosen:
            print("goroutine %d [%s]:" % (g.id, g.state()))
            for i, place in enumerate(g.frames()):
                print("#%-3d %s" % (i, place))
            print(g.created())
            thread = g.thread()
            if thread is None:
                continue
            before = gdb.selected_thread()
            thread.switch()
            print("on thread %d:" % thread.num)
            gdb.execute("backtrace")
            if before is not None:
                before.switch()


InfoGoroutines()
GoroutineCommand()
