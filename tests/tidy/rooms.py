# tests/tidy/rooms.py — the house: which room each file is in, and which rooms it may lean on.
#
# A file includes its own room, lower floors, and on its own floor only rooms to its left.  Rooms that share a column may include each other.
FLOORS = [
    [("base",)],
    [("sys",)],
    [("timer",), ("netpoll",), ("sched",)],
    [("wait",)],
    [("task",), ("go", "executor"), ("chan",), ("select",)],
    [("sync",), ("time",), ("context",), ("io",), ("net",), ("tls",), ("os",)],
    [("debug",), ("testing",), ("interop",), ("gmp",)],
]

# From these rooms upper floors see only the files named, their staircase; but the rooms named start, end or show gs, and see all.
STAIRS = {
    "sched": (
        {"gmp/detail/park.hpp", "gmp/detail/sched/g.hpp"},
        {"task", "go", "executor", "debug", "testing"},
    ),
}

# Files whose room is not that of their folder or of their name.
ELSEWHERE = {
    "gmp/detail/park.hpp": "sched",
    "gmp/result.hpp": "base",
    "gmp/sync.hpp": "gmp",
}

# Rooms that may call the system, hence include its headers.  <pthread.h> is threads of the language's library: all of src may.
SYSTEM_ROOMS = {"sys", "netpoll", "net", "tls", "os"}

POSITION = {room: (floor, column) for floor, columns in enumerate(FLOORS) for column, rooms in enumerate(columns) for room in rooms}


def floor_of(room):
    return POSITION[room][0]


def room_of(path):
    """The room of 'gmp/…' (below include/) or 'room/…' (below src/); None if the house has no such room."""
    if path in ELSEWHERE:
        return ELSEWHERE[path]
    parts = path.removesuffix(".hpp").removesuffix(".cpp").split("/")
    if parts[0] == "gmp":
        parts = parts[1:]
        if parts[0] == "detail":
            parts = parts[1:]
    return parts[0] if parts[0] in POSITION else None


def may_include(room, other, path):
    """Whether a file in `room` may include `path`, which is in `other`."""
    if room == other:
        return True
    floor, column = POSITION[room]
    other_floor, other_column = POSITION[other]
    if floor == other_floor:
        return other_column <= column
    if other_floor > floor:
        return False
    stair, keys = STAIRS.get(other, (None, None))
    return stair is None or path in stair or room in keys
