// tests/bench/workload.hpp — what the programs of workloads have in common: their command line, what they print, and how they count.
// Go: testing (Benchmark).  Room: tests/bench.  Of the standard library alone: what it is compiled with must not be in the figures of another library.
#pragma once

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

namespace bench {

struct Sample {
  const char* metric;
  const char* unit;
  double value;
};
using Samples = std::vector<Sample>;

inline double now_ns() { return static_cast<double>(std::chrono::steady_clock::now().time_since_epoch().count()); }

/// A figure of /proc/self/status, in KiB.
inline double status_kib(const char* field) {
  std::FILE* file = std::fopen("/proc/self/status", "r");
  if (file == nullptr) return 0;
  char line[256];
  double kib = 0;
  while (std::fgets(line, sizeof line, file) != nullptr) {
    if (std::strncmp(line, field, std::strlen(field)) == 0) kib = std::atof(line + std::strlen(field) + 1);
  }
  std::fclose(file);
  return kib;
}

inline double scale = 1;  // of what is repeated
inline int scaled(int count) { return static_cast<int>(count * scale); }

inline void check(bool held, const char* what) {
  if (!held) {
    std::fprintf(stderr, "micro: %s\n", what);
    std::exit(1);
  }
}

/// [-runs N] [-procs N] [-scale F] workload…, or -list. `open(workload, procs)`, procs 0 if nothing is said, gives something with `procs()`, the number that
/// is printed, and `samples()`, which does the work once. A workload has `what`, and `cold` if only the first run in a process counts (memory figures).
template <class Workload, class Open>
int run(int argc, char** argv, const std::map<std::string, Workload>& workloads, Open open) {
  int runs = 5, procs = 0;
  std::vector<std::string> names;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "-list") == 0) {
      for (const auto& [name, workload] : workloads) std::printf("%s\t%s\n", name.c_str(), workload.what);
      return 0;
    }
    if (std::strcmp(argv[i], "-runs") == 0 && i + 1 < argc)
      runs = std::atoi(argv[++i]);
    else if (std::strcmp(argv[i], "-procs") == 0 && i + 1 < argc)
      procs = std::atoi(argv[++i]);
    else if (std::strcmp(argv[i], "-scale") == 0 && i + 1 < argc)
      scale = std::atof(argv[++i]);
    else
      names.emplace_back(argv[i]);
  }
  for (const std::string& name : names) {
    const auto found = workloads.find(name);
    if (found == workloads.end()) {
      std::fprintf(stderr, "micro: no workload named \"%s\" (micro -list)\n", name.c_str());
      return 2;
    }
    const Workload& workload = found->second;
    auto work = open(workload, procs);
    const int timed = workload.cold ? 1 : runs;
    if (!workload.cold) work.samples();
    for (int i = 0; i < timed; ++i) {
      for (const Sample& sample : work.samples())
        std::printf("%s\t%d\t%d\t%s\t%s\t%.3f\n", name.c_str(), work.procs(), i, sample.metric, sample.unit, sample.value);
    }
    std::printf("%s\t%d\t%d\tpeak_rss\tKiB\t%.0f\n", name.c_str(), work.procs(), timed, status_kib("VmHWM:"));
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace bench
