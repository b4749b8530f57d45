#!/usr/bin/env python3
# tests/bench/compare_test.py — compare.py's own logic.
import unittest
import xml.dom.minidom

import compare


def row(name, procs, ours, go):
    made = compare.Row(name, procs, "time", "ns")
    made.ours, made.go = ours, go
    made.ours_rss, made.go_rss = [2048] * len(ours), [4096] * len(go)
    return made


class Samples(unittest.TestCase):
    def test_all_metrics_but_the_peak(self):
        text = "parked_1m\t1\t0\tresident\tbytes/goroutine\t352.5\nparked_1m\t1\t0\ttime\tns/op\t10\nparked_1m\t1\t1\tpeak_rss\tKiB\t4420\nnoise\n"
        self.assertEqual(compare.samples(text), ({"resident": (352.5, "bytes"), "time": (10.0, "ns")}, 4420.0))


class Table(unittest.TestCase):
    def test_ratio_is_of_medians(self):
        self.assertEqual(row("select_2", 1, [10, 20, 90], [40, 60, 1000]).ratio(), 3.0)

    def test_a_side_that_is_not_there(self):
        lines = compare.table([row("fib_32", 2, [75.0], [])])
        self.assertIn("75.0", lines[1])
        self.assertEqual(lines[1].split()[-1], "2")  # MiB of ours, and nothing after it

    def test_median_min_ratio_and_memory(self):
        self.assertEqual(compare.table([row("select_2", 1, [10, 20, 90], [40, 60, 1000])])[1].split(),
                         ["select_2", "1", "ns", "20.0", "10.0", "60.0", "40.0", "3.00", "2", "4"])


class Chart(unittest.TestCase):
    def test_is_xml_with_a_bar_for_each_that_can_be_compared(self):
        rows = [row("a<b", 1, [1], [2]), row("a<b", 2, [1], [3]), row("c", 1, [1], [])]
        bars = xml.dom.minidom.parseString(compare.chart(rows, "x & y")).getElementsByTagName("rect")
        self.assertEqual(len(bars), 1 + 2 + 2)  # the ground, two bars, two in the legend


if __name__ == "__main__":
    unittest.main()
