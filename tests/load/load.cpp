// tests/load/load.cpp — the load table: what a program under load may cost, and that nothing grows, is lost, or comes late.
// Go: none.  Room: tests/load.
//
//   gmpcoro_load [SCENARIO…]          the short form: a minute and a half
//   gmpcoro_load --long [SCENARIO…]   the long form, before a release: hours, with a line a second that tells how far it is
//   gmpcoro_load --list               the scenarios
// Each scenario says what it measured and what it must hold. Exit status 1 if one does not; 77 if there is none of that name.
//
// What is late is judged only where our threads had the CPUs to themselves, more or less.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "gmp/gmp.hpp"
#include "support/cpu.hpp"
#include "support/memory.hpp"
#include "support/net.hpp"
#include "support/quiet.hpp"
#include "support/threads.hpp"

namespace gmp::load {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using Dice = std::mt19937_64;
using test::cpu_seconds;
using test::open_fds;
using test::resident_bytes;

bool is_long = false;

/// What the short form does, and the long one.
template <class T>
T by_form(T brief, T whole) {
  return is_long ? whole : brief;
}

double seconds(Clock::duration d) { return std::chrono::duration<double>(d).count(); }
double milliseconds(Clock::duration d) { return std::chrono::duration<double, std::milli>(d).count(); }

// ---- what a scenario says

struct Report {
  std::string text;
  bool good = true;

  [[gnu::format(printf, 2, 3)]] void say(const char* format, ...) {
    char line[300];
    va_list list;
    va_start(list, format);
    std::vsnprintf(line, sizeof line, format, list);
    va_end(list);
    text += text.empty() ? "" : ", ";
    text += line;
  }
  /// what: printed in any case.
  void must(bool holds, const char* what) {
    text += std::string(text.empty() ? "" : ", ") + (holds ? "" : "NOT: ") + what;
    good = good && holds;
  }
};

/// In the long form, once a second: how far it is.
class Progress {
 public:
  explicit Progress(const char* name) : name_(name), begin_(Clock::now()), next_(begin_ + 1s) {}
  ~Progress() {
    if (is_long) std::fprintf(stderr, "\r%78s\r", "");
  }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void at(double done, double whole, const char* unit) {
    const auto now = Clock::now();
    if (!is_long || now < next_) return;
    next_ = now + 1s;
    std::fprintf(stderr, "\r%-12s %6.0f s: %.0f of %.0f %s, %lld MiB resident  ", name_, seconds(now - begin_), done, whole, unit,
                 static_cast<long long>(resident_bytes() >> 20));
  }

 private:
  const char* name_;
  const Clock::time_point begin_;
  Clock::time_point next_;
};

/// Runs at most for that long; more() once a turn.
class Span {
 public:
  Span(const char* name, Clock::duration length) : progress_(name), begin_(Clock::now()), end_(begin_ + length) {}
  bool more() {
    const auto now = Clock::now();
    progress_.at(seconds(now - begin_), seconds(end_ - begin_), "s");
    return now < end_;
  }
  double elapsed() const { return seconds(Clock::now() - begin_); }

 private:
  Progress progress_;
  const Clock::time_point begin_, end_;
};

/// How much of the time in which this process's threads wanted a CPU they waited for one, since it was made.
class Contention {
 public:
  double share() const {
    const test::CpuTimes after = test::CpuTimes::now();
    const double ran = after.ran_ns - before_.ran_ns;
    const double waited = after.waited_ns - before_.waited_ns;
    return waited > 0 ? waited / (ran + waited) : 0;
  }
  /// Whether a figure of time says something about us: on a machine that others use as well it does not.
  bool is_judged(Report& report) const {
    const bool judged = share() < 0.1;
    if (!judged) report.say("%.0f %% of the time spent waiting for a CPU: no judgement on times", 100 * share());
    return judged;
  }

 private:
  const test::CpuTimes before_ = test::CpuTimes::now();
};

/// When something was due and when it was done, judged by the times at which nobody took our CPUs.
class Punctuality {
 public:
  explicit Punctuality(const test::Quiet& quiet) : quiet_(quiet), all_(most) { all_.clear(); }  // the process does not grow by it later
  void add(Clock::time_point due, Clock::time_point done) {
    const std::lock_guard guard(mutex_);
    if (all_.size() < most)
      all_.emplace_back(due, done);
    else
      all_[dice_() % all_.size()] = {due, done};
  }
  /// All but a part of them were at most so late, of those at quiet times; negative if these are too few to tell. Once settled.
  Clock::duration quantile(double q) {
    const std::lock_guard guard(mutex_);
    std::vector<Clock::duration> late;
    for (const auto& [due, done] : all_) {
      if (quiet_.between(due, done)) late.push_back(done - due);
    }
    if (static_cast<double>(late.size()) * (1 - q) < 1) return -1ns;
    const auto at = late.begin() + static_cast<std::ptrdiff_t>(q * static_cast<double>(late.size() - 1));
    std::nth_element(late.begin(), at, late.end());
    return *at;
  }
  void clear() {
    const std::lock_guard guard(mutex_);
    all_.clear();
  }
  /// Of how many that is, in percent.
  double quiet_percent() {
    const std::lock_guard guard(mutex_);
    const auto quiet = std::count_if(all_.begin(), all_.end(), [&](const auto& one) { return quiet_.between(one.first, one.second); });
    return all_.empty() ? 0 : 100 * static_cast<double>(quiet) / static_cast<double>(all_.size());
  }

 private:
  static constexpr std::size_t most = 200'000;
  const test::Quiet& quiet_;
  std::mutex mutex_;
  Dice dice_;
  std::vector<std::pair<Clock::time_point, Clock::time_point>> all_;
};

// ---- other processes: this program again, told what to be

std::string own_path() {
  char path[4096];
  const ssize_t n = ::readlink("/proc/self/exe", path, sizeof path - 1);
  return std::string(path, n > 0 ? static_cast<std::size_t>(n) : 0);
}

pid_t start_role(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), own_path());
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  pid_t pid = -1;
  if (::posix_spawn(&pid, pointers[0], nullptr, nullptr, pointers.data(), environ) != 0) return -1;
  return pid;
}
void end_role(pid_t pid) {
  ::kill(pid, SIGKILL);
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

/// A connected blocking socket. 40'000 connections are a lot for one pair of addresses, so they come from several.
int connect_from(int source, int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;  // the port is chosen by connect(): one that rests beside another listener's is free for this one
  ::setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + static_cast<std::uint32_t>(source));
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) std::abort();
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) std::abort();
  return fd;
}

int role_idle(int port, int conns) {
  for (int i = 0; i < conns; ++i) static_cast<void>(connect_from(i / 20'000, port));
  ::pause();
  return 0;
}

int role_writer(int port) {
  const int fd = connect_from(0, port);
  const std::string bytes(100'000, 'b');
  while (::write(fd, bytes.data(), bytes.size()) > 0) {
  }
  return 1;  // it shall be killed before
}

// ---- scenarios

Task<> echo(net::Conn conn, std::atomic<long>& errors) {
  std::string buffer(64, '\0');
  for (;;) {
    auto [n, err] = co_await conn.read(buffer);
    if (err == errc::eof) co_return;
    if (err) {
      ++errors;
      co_return;
    }
    auto [m, failed] = co_await conn.write(std::string_view(buffer).substr(0, n));
    if (failed) {
      ++errors;
      co_return;
    }
  }
}

Task<> wait_idle(net::Conn conn) {
  char byte[1];
  static_cast<void>(co_await conn.read(byte));
}

// Connections on which nothing happens, from another process.
void idle(Report& report) {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  const int wanted = by_form(10'000, 100'000);
  const int conns = static_cast<int>(std::min<rlim_t>(static_cast<rlim_t>(wanted), files.rlim_cur - 200));
  Executor ex;
  ex.run([&]() -> Task<> {
    Progress progress("idle");
    const net::Listener ln = net::listen("tcp", "127.0.0.1:0").value();
    const std::int64_t before = resident_bytes();
    const pid_t client = start_role({"--role-idle", std::to_string(ln.addr().port()), std::to_string(conns)});
    for (int i = 0; i < conns; ++i) {
      auto [conn, err] = co_await timeout(20s, ln.accept());
      if (err) {  // they found no port, or no descriptor
        report.must(false, "each client comes");
        co_return end_role(client);
      }
      go(wait_idle, conn);
      progress.at(i, conns, "connections");
    }
    const std::int64_t each = (resident_bytes() - before) / conns;
    co_await sleep(100ms);  // they all sleep now
    double used = 1;        // the least of a few stretches: the system's work for its network is booked on whoever runs
    const auto length = by_form<Clock::duration>(300ms, 20s);
    for (int i = 0; i < 3; ++i) {
      const double cpu = cpu_seconds();
      co_await sleep(length);
      used = std::min(used, (cpu_seconds() - cpu) / seconds(length));
    }
    report.say("%d connections", conns);
    if (conns < wanted) report.say("of %d, for want of descriptors (ulimit -n)", wanted);
    report.say("%lld bytes each, %.2f %% of a CPU", static_cast<long long>(each), 100 * used);
    report.must(each < 2048, "less than 2 KiB each");
    report.must(used < 0.01, "less than 1 % of a CPU");
    end_role(client);
  });
}

// 256 connections in a closed loop.
void echo_64(Report& report) {
  const int fds = open_fds();
  {
    Executor ex;
    ex.run([&]() -> Task<> {
      constexpr int conns = 256;
      std::atomic<long> errors{0};
      std::atomic<long> requests{0};
      std::atomic<bool> over{false};
      const test::Quiet quiet;
      Punctuality latencies(quiet);
      const net::Listener ln = net::listen("tcp", "127.0.0.1:0").value();
      const auto ask = [&](net::Conn conn) -> Task<> {
        const std::string message(64, 'm');
        std::string answer(64, '\0');
        while (!over) {
          const auto begin = Clock::now();
          const auto wrote = co_await conn.write(message);
          const auto read = co_await io::read_full(conn, answer);
          if (!wrote || !read || answer != message) {
            ++errors;
            co_return;
          }
          if (++requests % 16 == 0) latencies.add(begin, Clock::now());
        }
      };
      std::vector<JoinHandle<void>> gs;
      for (int i = 0; i < conns; ++i) {
        auto dialled = co_await net::dial("tcp", ln.addr().to_string());
        gs.push_back(spawn(ask, std::move(dialled).value()));
        gs.push_back(spawn(echo, (co_await ln.accept()).value(), std::ref(errors)));
      }
      const auto length = by_form<Clock::duration>(10s, 30min);
      co_await sleep(length / 10);
      latencies.clear();
      const std::int64_t warm = resident_bytes();
      Span span("echo", length);
      const long first = requests;
      while (span.more()) co_await sleep(50ms);
      const double rate = static_cast<double>(requests - first) / span.elapsed();
      const std::int64_t grown = resident_bytes() - warm;
      over = true;
      for (auto& g : gs) co_await g;
      co_await blocking(test::Quiet::settle);
      const auto half = latencies.quantile(0.5);
      const auto most = latencies.quantile(0.99);
      report.say("%.0f requests/s, %.0f %% of them while the CPUs were ours", rate, latencies.quiet_percent());
      report.must(errors == 0, "no error");
      if (most < 0ns) {
        report.say("too few to judge how quick");
      } else {
        report.say("of these half within %.2f ms, 99 %% within %.2f ms", milliseconds(half), milliseconds(most));
        report.must(most < std::max<Clock::duration>(10 * half, 20ms), "99 % within ten times the half's time, or 20 ms");
      }
      report.must(grown < warm / 50 + (4 << 20), "no growth after the beginning");
    });
  }
  report.must(open_fds() <= fds + 1, "descriptors are back");  // of what is opened once a process
}

// Connections that come and go.
void churn(Report& report) {
  const int fds = open_fds();
  {
    std::atomic<long> errors{0};  // of those that echo, too, until the executor has ended
    Executor ex;
    ex.run([&]() -> Task<> {
      const long total = by_form(20'000L, 2'000'000L);
      constexpr int dialling = 32;
      std::atomic<long> done{0};
      std::vector<net::Listener> listeners;  // several, as ports are few
      for (int i = 0; i < 8; ++i) listeners.push_back(net::listen("tcp", "127.0.0." + std::to_string(i + 1) + ":0").value());
      const auto accept_all = [&errors](net::Listener ln) -> Task<> {
        for (;;) {
          auto [conn, err] = co_await ln.accept();
          if (err == errc::closed) co_return;
          if (err)
            ++errors;
          else
            go(echo, std::move(conn), std::ref(errors));
        }
      };
      std::vector<JoinHandle<void>> acceptors;
      for (const net::Listener& ln : listeners) acceptors.push_back(spawn(accept_all, ln));
      const auto dial_many = [&](int which) -> Task<> {
        std::string byte(1, '\0');
        while (done.fetch_add(1) < total) {
          auto [conn, err] = co_await net::dial("tcp", listeners[static_cast<std::size_t>(which++) % listeners.size()].addr().to_string());
          if (err) {
            ++errors;
            continue;
          }
          const auto wrote = co_await conn.write("x");
          const auto read = co_await conn.read(byte);
          errors += !wrote || !read || byte != "x";
        }
      };
      std::vector<JoinHandle<void>> dialers;
      for (int i = 0; i < dialling; ++i) dialers.push_back(spawn(dial_many, i));
      Progress progress("churn");
      const auto begin = Clock::now();
      while (done < total) {
        progress.at(static_cast<double>(done), static_cast<double>(total), "connections");
        co_await sleep(20ms);
      }
      for (auto& g : dialers) co_await g;
      report.say("%ld connections, %.0f/s", total, static_cast<double>(total) / seconds(Clock::now() - begin));
      for (const net::Listener& ln : listeners) ln.close();
      for (auto& g : acceptors) co_await g;
      report.must(errors == 0, "no error");
    });
  }
  report.must(open_fds() <= fds + 1, "descriptors are back");
}

// Clients that write, and are killed while they do.
void killed(Report& report) {
  const int fds = open_fds();
  {
    Executor ex;
    ex.run([&]() -> Task<> {
      const int total = by_form(200, 10'000);
      std::atomic<int> odd{0};
      std::atomic<int> done{0};
      const auto one = [&]() -> Task<> {
        const net::Listener ln = net::listen("tcp", "127.0.0.1:0").value();
        const pid_t pid = co_await blocking([&ln] { return start_role({"--role-writer", std::to_string(ln.addr().port())}); });
        const net::Conn conn = (co_await ln.accept()).value();
        std::string buffer(50'000, '\0');
        std::size_t got = 0;
        for (bool killed = false;;) {
          auto [n, err] = co_await conn.read(buffer);
          got += n;
          if (err) {
            odd += !killed || (err != errc::eof && err != std::errc::connection_reset);
            break;
          }
          if (got > 500'000 && !std::exchange(killed, true)) ::kill(pid, SIGKILL);
        }
        co_await blocking([pid] { end_role(pid); });
        ++done;
      };
      Progress progress("killed");
      Group group;
      group.set_limit(4);
      for (int i = 0; i < total; ++i) group.go(one);
      while (done < total) {
        progress.at(done, total, "clients");
        co_await sleep(10ms);
      }
      co_await group.wait();
      report.say("%d clients", total);
      report.must(odd == 0, "nothing but an end or a reset");
    });
  }
  report.must(open_fds() <= fds + 1, "descriptors are back");
}

// Many that dawdle and meet their deadline, beside a few that do not.
void slowloris(Report& report) {
  Executor ex;
  ex.run([&]() -> Task<> {
    constexpr int slow = 2'000;
    constexpr int fast = 100;
    constexpr auto rest = 10ms;
    std::atomic<bool> over{false};
    std::atomic<long> early{0};
    std::atomic<long> errors{0};
    std::atomic<long> closed{0};
    const test::Quiet quiet;
    Punctuality late(quiet);
    Punctuality alone(quiet);
    Punctuality beside(quiet);
    std::atomic<Punctuality*> latencies{&alone};
    const net::Listener ln = net::listen("tcp", "127.0.0.1:0").value();
    const auto patience = by_form<Clock::duration>(5s, 10s);
    const auto serve_slow = [&](net::Conn conn) -> Task<> {
      const auto deadline = Clock::now() + patience;
      conn.set_read_deadline(deadline);
      char byte[1];
      for (;;) {
        auto [n, err] = co_await conn.read(byte);
        if (!err) continue;
        const auto now = Clock::now();
        errors += err != errc::timeout;
        early += now < deadline;
        late.add(deadline, now);
        ++closed;
        co_return;
      }
    };
    const auto ask = [&](net::Conn conn) -> Task<> {
      std::string answer(4, '\0');
      while (!over) {
        const auto begin = Clock::now();
        const auto wrote = co_await conn.write("ping");
        const auto read = co_await io::read_full(conn, answer);
        errors += !wrote || !read;
        latencies.load()->add(begin, Clock::now());
        co_await sleep(rest);
      }
    };
    std::vector<JoinHandle<void>> gs;
    for (int i = 0; i < fast; ++i) {
      auto dialled = co_await net::dial("tcp", ln.addr().to_string());
      gs.push_back(spawn(ask, std::move(dialled).value()));
      gs.push_back(spawn(echo, (co_await ln.accept()).value(), std::ref(errors)));
    }
    co_await sleep(by_form<Clock::duration>(2s, 10s));
    Span span("slowloris", by_form<Clock::duration>(15s, 1h));
    latencies = &beside;
    while (span.more()) {
      std::vector<net::Conn> dawdlers;
      std::vector<JoinHandle<void>> served;
      for (int i = 0; i < slow; ++i) {
        dawdlers.push_back((co_await net::dial("tcp", ln.addr().to_string())).value());
        served.push_back(spawn(serve_slow, (co_await ln.accept()).value()));
      }
      const long before = closed;
      const auto pause = patience / 4;
      while (closed - before < slow) {
        for (const net::Conn& conn : dawdlers) static_cast<void>(co_await conn.write("."));
        co_await sleep(std::min<Clock::duration>(pause, 50ms));
      }
      for (auto& g : served) co_await g;
    }
    over = true;
    for (auto& g : gs) co_await g;
    co_await blocking(test::Quiet::settle);
    report.say("%ld dawdlers; %.0f %% of the others' requests while the CPUs were ours", closed.load(), beside.quiet_percent());
    report.must(errors == 0, "no error");
    report.must(early == 0, "none too early");
    const auto latest = late.quantile(0.999), half_alone = alone.quantile(0.5), half = beside.quantile(0.5),
               most_alone = alone.quantile(0.99), most = beside.quantile(0.99);
    if (latest < 0ns) {
      report.say("too few deadlines then to judge");
    } else {
      report.say("99.9 %% of the deadlines at most %.1f ms late", milliseconds(latest));
      report.must(latest < 100ms, "within 100 ms");
    }
    if (std::min(most_alone, most) < 0ns) {
      report.say("too few requests then to judge");
      co_return;
    }
    report.say("half of the requests within %.2f ms alone, %.2f beside dawdlers, 99 %% within %.2f and %.2f", milliseconds(half_alone),
               milliseconds(half), milliseconds(most_alone), milliseconds(most));
    report.must(half < 2 * half_alone + 1ms, "the others wait no longer than twice as long");
    report.must(most < 2 * most_alone + 20ms, "nor, but for 20 ms, 1 % of them");
  });
}

// A GiB for a peer that does not read.
void not_reading(Report& report) {
  Executor ex;
  ex.run([&]() -> Task<> {
    constexpr std::size_t size = std::size_t{1} << 30;
    void* room = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED) std::abort();
    const test::ConnPair pair = co_await test::conn_pair();
    const std::int64_t before = resident_bytes();
    const double cpu = cpu_seconds();
    const auto length = by_form<Clock::duration>(5s, 60s);
    const auto deadline = Clock::now() + length;
    pair.a.set_write_deadline(deadline);
    const auto r = co_await pair.a.write(std::string_view(static_cast<const char*>(room), size));
    const auto late = Clock::now() - deadline;
    const double used = (cpu_seconds() - cpu) / seconds(length);
    const std::int64_t grown = resident_bytes() - before;
    report.say("%zu KiB went, %lld KiB more resident, %.1f %% of a CPU, %.1f ms late", r.get<0>() >> 10,
               static_cast<long long>(grown >> 10), 100 * used, milliseconds(late));
    report.must(r.err == errc::timeout && late >= 0ms, "the deadline ended it");
    report.must(r.get<0>() < size / 8, "it was parked");
    report.must(grown < 16 << 20, "less than 16 MiB");
    report.must(used < 0.1, "without turning round");
    pair.a.set_linger(0s);
    ::munmap(room, size);
  });
}

// A million gs that sleep.
void sleepers(Report& report) {
  Executor ex({.procs = 1});  // its timers are in one heap then, and the figure is the same each time
  ex.run([&]() -> Task<> {
    constexpr int n = 1'000'000;
    struct Night {
      const Clock::time_point ends = Clock::now() + 1500ms;
      WaitGroup asleep;
      std::atomic<long> early{0};
    };
    const std::int64_t before = resident_bytes();
    Night night;
    const auto doze = [](Night* of) -> Task<> {
      co_await sleep_until(of->ends);
      of->early += Clock::now() < of->ends;
      of->asleep.done();
    };
    for (int i = 0; i < n; ++i) {
      night.asleep.add();
      go(doze, &night);
      if (i % 1024 == 0) co_await yield();
    }
    const auto made = Clock::now();
    const std::int64_t each = (resident_bytes() - before) / n;
    co_await night.asleep.wait();
    const auto took = Clock::now() - std::max(night.ends, made);
    report.say("%lld bytes each, all awake within %.2f s", static_cast<long long>(each), seconds(took));
    report.must(each <= 400, "at most 400 bytes each");
    report.must(night.early == 0, "none too early");
    report.must(took < 5s, "awake within 5 s");
  });
}

// A million gs at once, made by one M and ended by another executor's: frames and Gs find their way back.
void bursts(Report& report) {
  Executor from({.procs = 1}), to({.procs = 1});
  const int all = static_cast<int>(by_form(4L, 40L));
  constexpr int each = 1'000'000;
  std::atomic<long> ran{0};
  std::int64_t after_second = 0;
  Progress progress("bursts");
  for (int burst = 0; burst < all; ++burst) {
    from.run([&]() -> Task<> {
      WaitGroup wg;
      wg.add(each);
      auto all_are_there = make_chan<int>();
      for (int i = 0; i < each; ++i) {
        to.go([&ran, &wg, &all_are_there]() -> Task<> {
          co_await all_are_there.recv();
          ran.fetch_add(1, std::memory_order_relaxed);
          wg.done();
        });
      }
      all_are_there.close();
      co_await wg.wait();
    });
    if (burst == 1) after_second = resident_bytes();
    progress.at(burst + 1, all, "bursts");
  }
  const std::int64_t grown = resident_bytes() - after_second;
  report.say("%d bursts of a million: %ld MiB after the second, %ld KiB more after the last", all, static_cast<long>(after_second >> 20), static_cast<long>(grown >> 10));
  report.must(ran == long{all} * each, "each ran once");
  report.must(grown < after_second / 20 + (2 << 20), "no growth after the second burst");
}

// Gs that begin and end.
void spawning(Report& report) {
  Executor ex;
  ex.run([&]() -> Task<> {
    const long total = by_form(10'000'000L, 1'000'000'000L);
    constexpr int batch = 1'000;
    std::atomic<long> ran{0};
    const Contention contention;
    Progress progress("spawn");
    std::int64_t warm = 0;
    const auto begin = Clock::now();
    for (long i = 0; i < total; i += batch) {
      WaitGroup wg;
      for (int k = 0; k < batch; ++k) wg.go([](std::atomic<long>& count) { count.fetch_add(1, std::memory_order_relaxed); }, std::ref(ran));
      co_await wg.wait();
      if (warm == 0 && i >= total / 10) warm = resident_bytes();
      progress.at(static_cast<double>(i), static_cast<double>(total), "gs");
    }
    const std::int64_t grown = resident_bytes() - warm;
    const double rate = static_cast<double>(total) / seconds(Clock::now() - begin);
    report.say("%ld gs, %.2f million/s", total, rate * 1e-6);
    report.must(ran == total, "each ran once");
    if (contention.is_judged(report)) report.must(rate >= 2e6, "2 million/s");
    report.must(grown < warm / 50 + (2 << 20), "no growth after the beginning");
  });
  bursts(report);
}

// Timers that are stopped and reset at random, beside sleepers that look at the clock.
void timers(Report& report) {
  Executor ex;
  ex.run([&]() -> Task<> {
    constexpr int each = 250'000;
    constexpr int gs_count = 4;
    std::atomic<bool> over{false};
    std::atomic<long> early{0};
    std::atomic<long> changes{0};
    const test::Quiet quiet;
    Punctuality late(quiet);
    const auto change = [&](int seed) -> Task<> {
      Dice dice(static_cast<std::uint64_t>(seed));
      std::vector<Timer> own;
      for (int i = 0; i < each; ++i) {
        own.emplace_back(std::chrono::microseconds(dice() % 10'000'000));
        if (i % 200 == 0) co_await yield();  // to make them all takes long
      }
      while (!over) {
        for (int i = 0; i < 200; ++i) {
          Timer& timer = own[dice() % own.size()];
          if (dice() % 3 == 0)
            timer.stop();
          else
            timer.reset(std::chrono::microseconds(dice() % 10'000'000));
        }
        changes += 200;
        co_await yield();
      }
    };
    const auto doze = [&](int seed) -> Task<> {
      Dice dice(static_cast<std::uint64_t>(seed));
      while (!over) {
        const auto due = Clock::now() + std::chrono::microseconds(dice() % 20'000);
        co_await sleep_until(due);
        const auto now = Clock::now();
        early += now < due;
        late.add(due, now);
      }
    };
    std::vector<JoinHandle<void>> gs;
    for (int i = 0; i < gs_count; ++i) gs.push_back(spawn(change, i));
    for (int i = 0; i < 200; ++i) gs.push_back(spawn(doze, 100 + i));
    Span span("timers", by_form<Clock::duration>(10s, 1h));
    while (span.more()) co_await sleep(20ms);
    over = true;
    for (auto& g : gs) co_await g;
    co_await blocking(test::Quiet::settle);
    const auto most = late.quantile(0.999);
    report.say("%d timers, %ld changes; %.0f %% of the sleeps while the CPUs were ours", gs_count * each, changes.load(),
               late.quiet_percent());
    report.must(early == 0, "none too early");
    if (most < 0ns) {
      report.say("too few to judge how late they were");
    } else {
      report.say("99.9 %% of these at most %.2f ms late", milliseconds(most));
      report.must(most < 20ms, "at most 20 ms late");
    }
  });
}

// Channels and locks between many gs, at several numbers of Ps; what went in comes out.
void storm(Report& report) {
  for (const int procs : {1, 2, 4, 8}) {
    Executor ex({.procs = procs});
    ex.run([&]() -> Task<> {
      const auto ch = make_chan<long>(4);
      Mutex mu;
      long under_lock = 0;
      std::atomic<long> sent{0}, received{0}, locked{0};
      std::atomic<bool> over{false};
      const auto send_many = [&]() -> Task<> {
        for (long i = 1; !over; ++i) {
          co_await ch.send(i);
          sent.fetch_add(i, std::memory_order_relaxed);
        }
      };
      const auto receive_many = [&]() -> Task<> {
        while (auto v = co_await ch.recv()) received.fetch_add(*v, std::memory_order_relaxed);
      };
      const auto lock_many = [&]() -> Task<> {
        while (!over) {
          auto guard = co_await mu.scoped_lock();
          ++under_lock;
          locked.fetch_add(1, std::memory_order_relaxed);
        }
      };
      std::vector<JoinHandle<void>> senders, receivers, lockers;
      for (int i = 0; i < 8; ++i) {
        senders.push_back(spawn(send_many));
        receivers.push_back(spawn(receive_many));
        lockers.push_back(spawn(lock_many));
      }
      Span span("storm", by_form<Clock::duration>(2500ms, 2h));
      while (span.more()) co_await sleep(10ms);
      over = true;
      for (auto& g : senders) co_await g;
      ch.close();
      for (auto& g : receivers) co_await g;
      for (auto& g : lockers) co_await g;
      report.must(sent == received && sent > 0 && under_lock == locked && locked > 0,
                  ("P = " + std::to_string(procs) + " conserves").c_str());
    });
  }
}

long lines_of(const char* path) {
  std::ifstream file(path);
  return std::count(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>(), '\n');
}

/// Whether of the threads that are there now none is new. One that was joined the system may only be about to forget.
bool none_but(const std::set<std::string>& before) {
  const auto give_up = Clock::now() + 10s;
  for (;;) {
    const std::set<std::string> now = test::thread_ids();
    if (std::includes(before.begin(), before.end(), now.begin(), now.end())) return true;
    if (Clock::now() > give_up) return false;
    std::this_thread::sleep_for(1ms);
  }
}

// Executors that start and stop.
void start_stop(Report& report) {
  const int total = by_form(500, 50'000);
  Progress progress("start/stop");
  int fds = 0;
  std::set<std::string> before;
  long maps = 0;
  for (int i = 0; i < total; ++i) {
    {
      Executor ex({.procs = 2});
      ex.run([]() -> Task<> {
        go([]() -> Task<> { co_await sleep(1h); });
        const test::ConnPair pair = co_await test::conn_pair();
        static_cast<void>(co_await pair.a.write("x"));
      });
    }
    if (i == total / 10) {
      fds = open_fds();
      before = test::thread_ids();
      maps = lines_of("/proc/self/maps");
    }
    progress.at(i, total, "executors");
  }
  const long grown = lines_of("/proc/self/maps") - maps;
  report.say("%d executors", total);
  report.must(open_fds() == fds, "descriptors as before");
  report.must(none_but(before), "threads as before");
  report.must(grown < 20, "maps as before");
}

struct Scenario {
  const char* name;
  const char* about;
  void (*run)(Report&);
};
constexpr Scenario scenarios[] = {
    {"idle", "connections on which nothing happens", idle}, {"echo", "64 bytes to and fro on 256 connections", echo_64},
    {"churn", "connections that come and go", churn},       {"killed", "clients killed while they write", killed},
    {"slowloris", "dawdlers beside others", slowloris},     {"not-reading", "a GiB for a peer that does not read", not_reading},
    {"spawn", "gs that begin and end", spawning},           {"timers", "timers stopped and reset", timers},
    {"storm", "channels and locks at P = 1 to 8", storm},   {"start-stop", "executors that start and stop", start_stop},
    {"sleepers", "a million gs that sleep", sleepers},  // last: to look at all gs, as a stop does, takes its time after that
};

int run(const std::vector<std::string_view>& wanted) {
  int ran = 0;
  bool good = true;
  for (const Scenario& scenario : scenarios) {
    if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), scenario.name) == wanted.end()) continue;
    ++ran;
    Report report;
    const auto begin = Clock::now();
    scenario.run(report);
    std::printf("%-12s %-6s %6.1f s  %s\n", scenario.name, report.good ? "passed" : "FAILED", seconds(Clock::now() - begin),
                report.text.c_str());
    std::fflush(stdout);
    good = good && report.good;
  }
  return ran == 0 ? 77 : good ? 0 : 1;
}

}  // namespace
}  // namespace gmp::load

int main(int argc, char** argv) {
  using namespace gmp::load;
  std::vector<std::string_view> wanted;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument.starts_with("--role-")) ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // nobody is left behind
    if (argument == "--role-idle" && i + 2 < argc) return role_idle(std::atoi(argv[i + 1]), std::atoi(argv[i + 2]));
    if (argument == "--role-writer" && i + 1 < argc) return role_writer(std::atoi(argv[i + 1]));
    if (argument == "--list") {
      for (const Scenario& scenario : scenarios) std::printf("%-12s %s\n", scenario.name, scenario.about);
      return 0;
    }
    if (argument == "--long")
      is_long = true;
    else
      wanted.push_back(argument);
  }
  return run(wanted);
}
