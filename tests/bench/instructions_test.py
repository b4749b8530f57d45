#!/usr/bin/env python3
# tests/bench/instructions_test.py — instructions.py's own logic.
import unittest

import instructions


class Record(unittest.TestCase):
    def test_is_read_as_it_was_written(self):
        what, record = instructions.read(instructions.write("GCC: 12; X86", {"spawn_join": 10.5, "select_2": 400.0}))
        self.assertEqual(what, "GCC: 12; X86")
        self.assertEqual(record, {"spawn_join": 10.5, "select_2": 400.0})

    def test_what_callgrind_says(self):
        self.assertEqual(instructions.collected("==1== \n==1== Collected : 1905743\n"), 1905743)
        self.assertRaises(ValueError, instructions.collected, "valgrind: failed to start")


class Compare(unittest.TestCase):
    def test_five_in_a_hundred_are_one_too_many(self):
        self.assertTrue(instructions.compare({"spawn_join": 100.0}, {"spawn_join": 104.9})[1])
        lines, well = instructions.compare({"spawn_join": 100.0}, {"spawn_join": 105.1})
        self.assertFalse(well)
        self.assertIn("TOO MANY", lines[0])

    def test_fewer_are_well_and_said(self):
        lines, well = instructions.compare({"spawn_join": 100.0}, {"spawn_join": 90.0})
        self.assertTrue(well)
        self.assertIn("fewer", lines[0])

    def test_a_workload_that_one_side_does_not_know(self):
        self.assertFalse(instructions.compare({}, {"spawn_join": 1.0})[1])
        self.assertFalse(instructions.compare({"spawn_join": 1.0}, {})[1])


class Count(unittest.TestCase):
    def test_the_start_cancels_and_a_disturbance_is_measured_again(self):
        counted = iter([1_000 + 6_000 * 50 + 9_999_999, 1_000 + 12_000 * 50, 1_000 + 6_000 * 50, 1_000 + 12_000 * 50])
        self.assertEqual(instructions.count("micro", "spawn_join", 50.0, lambda *_: next(counted)), 50.0 - 9_999_999 / 6_000)
        counted = iter([1_000 + 6_000 * 50, 1_000 + 12_000 * 50 + 77_777, 1_000 + 6_000 * 50, 1_000 + 12_000 * 50])
        self.assertEqual(instructions.count("micro", "spawn_join", 50.0, lambda *_: next(counted)), 50.0)

    def test_it_gives_up(self):
        runs = []
        def too_many(_micro, _name, scale):
            runs.append(scale)
            return int(scale * 1e9)
        self.assertGreater(instructions.count("micro", "spawn_join", 1.0, too_many), 1.0)
        self.assertEqual(len(runs), 2 * instructions.TRIES)


if __name__ == "__main__":
    unittest.main()
