#!/usr/bin/env python3
# tests/bench/compare_test.py — what compare.py makes of what the programs say: its own logic, and that of figures.py and net.py.
import json
import os
import unittest
import xml.dom.minidom

import compare
import figures
import net


def row(name, procs, ours, go=(), unit="ns", metric="time", **others):
    made = figures.Row(name, procs, metric, unit)
    for side, values in {"ours": ours, "go": go, **others}.items():
        for value in values:
            made.add(side, value, 2048 if side == "ours" else 4096)
    return made


class Samples(unittest.TestCase):
    def test_all_metrics_but_the_peak(self):
        text = "parked_1m\t1\t0\tresident\tbytes/goroutine\t352.5\nparked_1m\t1\t0\ttime\tns/op\t10\nparked_1m\t1\t1\tpeak_rss\tKiB\t4420\nnoise\n"
        self.assertEqual(figures.samples(text), ({"resident": (352.5, "bytes"), "time": (10.0, "ns")}, 4420.0))


class Rows(unittest.TestCase):
    def test_ratio_is_of_medians(self):
        self.assertEqual(row("select_2", 1, [10, 20, 90], [40, 60, 1000]).ratio("go"), 3.0)

    def test_of_a_rate_more_is_better(self):
        made = row("echo_1c", 1, [30, 40, 50], [10, 10, 20], unit="k/s", metric="rate")
        self.assertEqual((made.ratio("go"), made.best("ours"), made.best("go"), made.label()), (4.0, 50, 20, "echo_1c rate"))

    def test_data_are_all_that_was_measured(self):
        self.assertEqual(json.loads(json.dumps(row("fib_32", 2, [75.0], asio=[80.0, 81.0]).as_data())),
                         {"workload": "fib_32", "procs": 2, "metric": "time", "unit": "ns", "ours": [75.0], "asio": [80.0, 81.0],
                          "ours_peak_kib": [2048], "asio_peak_kib": [4096, 4096]})


class Measure(unittest.TestCase):
    def test_sides_take_turns_and_each_metric_has_its_row(self):
        said = []

        def side(name, value):
            def run():
                said.append(name)
                return {"cpu": (value, "us"), "rate": (1 / value, "k/s")}, 1000
            return run
        rows = figures.measure("echo_1c", 1, {"ours": side("ours", 2), "bare": side("bare", 4)}, 2, said.append)
        self.assertEqual(said, ["echo_1c, P = 1, round 1 of 2", "ours", "bare", "echo_1c, P = 1, round 2 of 2", "ours", "bare"])
        self.assertEqual([(made.metric, made.values) for made in rows],
                         [("cpu", {"ours": [2, 2], "bare": [4, 4]}), ("rate", {"ours": [0.5, 0.5], "bare": [0.25, 0.25]})])

    def test_what_ours_does_not_measure_is_no_row(self):
        rows = figures.measure("x", 1, {"ours": lambda: ({}, 0), "go": lambda: ({"time": (1, "ns")}, 0)}, 1, lambda text: None)
        self.assertEqual(rows, [])


class Table(unittest.TestCase):
    def test_a_side_that_is_not_there(self):
        lines = figures.table([row("fib_32", 2, [75.0])])
        self.assertEqual(lines[1].split(), ["fib_32", "2", "ns", "75.0", "75.0", "2"])

    def test_median_best_ratio_and_memory(self):
        self.assertEqual(figures.table([row("select_2", 1, [10, 20, 90], [40, 60, 1000])])[1].split(),
                         ["select_2", "1", "ns", "20.0", "10.0", "60.0", "40.0", "3.00", "2", "4"])

    def test_columns_stand_below_their_heads(self):
        lines = figures.table([row("a", 1, [1], [2]), row("b", 1, [1], asio=[3])])
        for line, side, ratio in ((lines[1], "Go", "2.00"), (lines[2], "Asio", "3.00")):
            median_end = lines[0].index(side + ": median") + len(side + ": median")
            self.assertEqual(line[median_end - 4:median_end], ratio)  # as ours is 1
            self.assertEqual(len(line), len(lines[0]) if side == "Asio" else len(lines[0]) - 6)


class Chart(unittest.TestCase):
    def test_is_xml_with_a_bar_for_each_that_can_be_compared(self):
        rows = [row("a<b", 1, [1], [2]), row("a<b", 2, [1], [3], asio=[4]), row("c", 1, [1])]
        drawn = xml.dom.minidom.parseString(figures.chart(rows, "x & y"))
        self.assertEqual(len(drawn.getElementsByTagName("rect")), 1 + 3 + 3)  # the ground, three bars, three in the legend
        texts = [text.firstChild.data for text in drawn.getElementsByTagName("text")]
        self.assertEqual(texts, ["x & y", "a<b", "2.00", "a<b", "3.00", "4.00", "Go, P = 1", "Go, P = 2", "Asio, P = 2"])

    def test_bars_are_as_long_as_ratios(self):
        drawn = xml.dom.minidom.parseString(figures.chart([row("a", 1, [1], [2]), row("b", 1, [1], [8])], ""))
        bars = [float(rect.getAttribute("width")) for rect in drawn.getElementsByTagName("rect") if rect.getAttribute("height") == "16"]
        self.assertAlmostEqual(bars[1] / bars[0], 4, places=1)


class Choice(unittest.TestCase):
    def test_words_are_workloads_or_kinds(self):
        self.assertEqual(compare.chosen([], ["a", "b"], ["e"]), [["a", "b"], ["e"]])
        self.assertEqual(compare.chosen(["net", "b"], ["a", "b"], ["e"]), [["b"], ["e"]])
        self.assertEqual(compare.chosen(["e"], ["a", "b"], ["e", "f"]), [[], ["e"]])

    def test_an_unknown_word_is_told(self):
        with self.assertRaisesRegex(SystemExit, "no workload named c;"):
            compare.chosen(["a", "c"], ["a"], ["e"])


class Words(unittest.TestCase):
    def test_what_a_program_can_do_is_a_name_and_what_it_is(self):
        self.assertEqual(compare.names("printf", "a\\tb: c\\nnoise\\nd\\te\\n"), {"a": "b: c", "d": "e"})

    def test_what_a_program_says_of_itself(self):
        self.assertEqual(compare.said(["printf", "gobench: go1.23.5\n"], r":\s+(go\S+)"), "go1.23.5")
        self.assertEqual(compare.said(["printf", "nothing\n"], r":\s+(go\S+)"), "?")
        self.assertEqual(compare.said(["false"], "(.*)"), "?")
        self.assertEqual(compare.said(["/no/such/program"], "(.*)"), "?")


class Redis(unittest.TestCase):
    def test_figures_of_redis_benchmark(self):
        text = ('"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"\n'
                '"SET","81300.81","0.336","0.104","0.335","0.463","0.551","1.431"\nnoise\n')
        self.assertEqual(net.requests_a_second(text), {"set": 81300.81})

    def test_the_clock_of_a_process_goes_on_as_it_computes(self):
        before = net.cpu_ns(os.getpid())
        own = os.times()
        while os.times().user + os.times().system < own.user + own.system + 0.05:
            pass
        self.assertGreater(net.cpu_ns(os.getpid()) - before, 30e6)
        self.assertGreater(net.peak_kib(os.getpid()), 1000)


if __name__ == "__main__":
    unittest.main()
