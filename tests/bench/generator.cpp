// tests/bench/generator.cpp — asks a server on this machine over and over, and says what that costs the server.
// Go: none; wrk is of this kind.  Output as micro's: name, P, run, metric, unit, value; tab separated.
//
//   generator -port N -pid SERVER [-conns 64] [-depth 1] [-size 64 | -http] [-seconds 1] [-warmup 0.3] [-cpu N] [-engine uring|epoll] [-name NAME]
//
// A closed loop: each connection has `depth` messages of `size` bytes under way, and for each that is answered another goes out; those that were answered
// together go out by one send.  An answer is the message itself, which is looked at byte by byte, or, by -http, 200 and as many bytes as the first one had.
// The server's CPU time is that of its process, all threads, by the kernel's clock of nanoseconds, in a window that opens after the warm-up.  What this
// program takes itself counts nowhere, but it must ask faster than the server answers, or it measures how the server sleeps.  So it is one thread with
// io_uring: one receive a connection that stays, into buffers that all share, and sends that go out with the wait.  Where there is no io_uring: epoll.
#include <arpa/inet.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace {

struct {
  int port = 0, pid = 0, conns = 64, depth = 1, size = 64, cpu = -1;
  double seconds = 1, warmup = 0.3;
  bool http = false;
  std::string engine = "uring", name = "load";
} options;

[[noreturn]] void fail(const char* what, int error = 0) {
  std::fprintf(stderr, "generator: %s%s%s\n", what, error ? ": " : "", error ? std::strerror(error) : "");
  std::exit(1);
}

std::int64_t clock_ns(clockid_t clock) {
  timespec time;
  if (clock_gettime(clock, &time) != 0) fail("the server has gone", errno);
  return time.tv_sec * 1'000'000'000LL + time.tv_nsec;
}

// ---- what is asked

struct Connection {
  int fd = -1;
  std::size_t got = 0;      // bytes of the answer that is coming in
  std::size_t owed = 0;     // bytes of messages that may be sent
  std::size_t sending = 0;  // bytes that the kernel has, or will not take yet
};

std::string messages;  // `depth` of them and one more, so that what is left of a send lies in one piece, too
std::string expected;  // an answer, as far as it is known
std::size_t message_size = 0, answer_size = 0;
std::int64_t answers = 0;

// Where the next bytes of a send begin of which so many are left.
const char* unsent(std::size_t left) { return messages.data() + (message_size - left % message_size) % message_size; }

// Of a connection with something to send and nothing under way: how much.
std::size_t next_send(Connection& c) { return c.sending = std::exchange(c.owed, 0); }

void came(Connection& c, const char* data, std::size_t n) {
  while (n > 0) {
    const std::size_t part = std::min(n, answer_size - c.got);
    if (c.got < expected.size() && std::memcmp(data, expected.data() + c.got, std::min(part, expected.size() - c.got)) != 0)
      fail("that is not the answer");
    c.got += part, data += part, n -= part;
    if (c.got < answer_size) return;
    c.got = 0;
    c.owed += message_size;
    ++answers;
  }
}

// The time that counts.
struct Window {
  explicit Window(clockid_t clock) : server(clock) {}
  const clockid_t server;
  std::int64_t start = clock_ns(CLOCK_MONOTONIC), opened = 0, took = 0, cpu = 0, count = 0;

  bool over() {
    const std::int64_t now = clock_ns(CLOCK_MONOTONIC);
    const double length = opened == 0 ? options.warmup : options.seconds;
    if (static_cast<double>(now - (opened == 0 ? start : opened)) < length * 1e9) return false;
    const Look look{now, clock_ns(server), answers};
    const Look before = std::exchange(last_, look);
    if (before.time == 0) since_ = now;
    if (before.time == 0 || look.cpu - before.cpu < (now - since_ < tick_most ? jump : 1)) return false;
    last_ = {};
    // The server's time lies within the window's, whoever is held up here.
    if (opened == 0) {
      opened = before.time;
      cpu = look.cpu;
      count = before.answers;
      return false;
    }
    cpu = look.cpu - cpu;
    took = clock_ns(CLOCK_MONOTONIC) - opened;
    count = answers - count;
    return true;
  }

 private:
  struct Look {
    std::int64_t time = 0, cpu = 0, answers = 0;
  };
  // Of a thread that runs, the kernel brings the clock up to date at its ticks, of 1 to 10 ms, and when it stops: up to a tick may be missing. So the window opens
  // and closes when the clock has just jumped by as much; or, if it never runs for so long at a time, when it has stopped.
  static constexpr std::int64_t jump = 500'000, tick_most = 12'000'000;
  Look last_;
  std::int64_t since_ = 0;  // it looks for one
};

// ---- io_uring

constexpr unsigned buffers = 2048;  // a power of two, and more than there are connections
constexpr std::uint64_t send_tag = 1;

class Uring {
 public:
  // False: the kernel has not what this needs.
  bool open() {
    io_uring_params params{};
    params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE;
    params.cq_entries = 16384;
    if (io_uring_queue_init_params(2048, &ring_, &params) != 0) return false;
    shared_ = static_cast<io_uring_buf_ring*>(std::aligned_alloc(4096, buffers * sizeof(io_uring_buf)));
    io_uring_buf_reg registration{};
    registration.ring_addr = reinterpret_cast<std::uintptr_t>(shared_);
    registration.ring_entries = buffers;
    if (io_uring_register_buf_ring(&ring_, &registration, 0) != 0) return false;
    io_uring_buf_ring_init(shared_);
    for (unsigned i = 0; i < buffers; ++i) give_back(i);
    return true;
  }

  void run(std::vector<Connection>& connections, Window& window) {
    for (Connection& c : connections) receive(c), send(c);
    while (true) {
      io_uring_buf_ring_advance(shared_, std::exchange(free_, 0));
      if (const int n = io_uring_submit_and_wait(&ring_, 1); n < 0 && n != -EINTR) fail("io_uring_enter", -n);
      if (window.over()) return;
      io_uring_cqe* cqe = nullptr;
      unsigned head = 0, seen = 0;
      io_uring_for_each_cqe(&ring_, head, cqe) {
        ++seen;
        completed(*cqe);
      }
      io_uring_cq_advance(&ring_, seen);
    }
  }

 private:
  void give_back(unsigned i) { io_uring_buf_ring_add(shared_, &bytes_[i * size_], size_, i, io_uring_buf_ring_mask(buffers), free_++); }

  io_uring_sqe* sqe() {
    io_uring_sqe* free = io_uring_get_sqe(&ring_);
    if (free != nullptr) return free;
    io_uring_submit(&ring_);
    return io_uring_get_sqe(&ring_);
  }

  void receive(Connection& c) {
    io_uring_sqe* entry = sqe();
    io_uring_prep_recv_multishot(entry, c.fd, nullptr, 0, 0);
    entry->flags |= IOSQE_BUFFER_SELECT;
    io_uring_sqe_set_data64(entry, reinterpret_cast<std::uintptr_t>(&c));
  }

  void send(Connection& c) {
    if (c.sending != 0 || c.owed == 0) return;
    io_uring_sqe* entry = sqe();
    io_uring_prep_send(entry, c.fd, messages.data(), next_send(c), MSG_WAITALL | MSG_NOSIGNAL);
    io_uring_sqe_set_data64(entry, reinterpret_cast<std::uintptr_t>(&c) | send_tag);
  }

  void completed(const io_uring_cqe& cqe) {
    Connection& c = *reinterpret_cast<Connection*>(cqe.user_data & ~send_tag);
    if (cqe.user_data & send_tag) {
      if (cqe.res < 0 || static_cast<std::size_t>(cqe.res) != c.sending) fail("send", cqe.res < 0 ? -cqe.res : EPIPE);
      c.sending = 0;
      return send(c);
    }
    if (cqe.res == 0) fail("the server has closed a connection");
    if (cqe.res < 0 && cqe.res != -ENOBUFS) fail("recv", -cqe.res);
    if (cqe.res > 0) {
      const unsigned i = cqe.flags >> IORING_CQE_BUFFER_SHIFT;
      came(c, &bytes_[i * size_], static_cast<std::size_t>(cqe.res));
      give_back(i);
      send(c);
    }
    if (!(cqe.flags & IORING_CQE_F_MORE)) receive(c);
  }

  io_uring ring_{};
  io_uring_buf_ring* shared_ = nullptr;
  const std::size_t size_ = answer_size > 4096 ? 16384 : 4096;
  std::unique_ptr<char[]> bytes_{new char[buffers * size_]};
  int free_ = 0;  // buffers that the kernel is told of before the next wait
};

// ---- epoll

void send_by_epoll(int epoll, Connection& c) {
  const bool was_stuck = c.sending != 0;
  if (!was_stuck && next_send(c) == 0) return;
  while (c.sending != 0) {
    const ssize_t n = ::send(c.fd, unsent(c.sending), std::min(c.sending, messages.size() - message_size), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) fail("send", errno);
    if (n < 0) break;
    c.sending -= static_cast<std::size_t>(n);
  }
  if (was_stuck == (c.sending != 0)) return;
  epoll_event event{.events = c.sending != 0 ? EPOLLIN | EPOLLOUT : EPOLLIN, .data = {.ptr = &c}};
  epoll_ctl(epoll, EPOLL_CTL_MOD, c.fd, &event);
}

void run_epoll(std::vector<Connection>& connections, Window& window) {
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  for (Connection& c : connections) {
    epoll_event event{.events = EPOLLIN, .data = {.ptr = &c}};
    epoll_ctl(epoll, EPOLL_CTL_ADD, c.fd, &event);
    send_by_epoll(epoll, c);
  }
  std::vector<char> buffer(1 << 18);
  epoll_event events[512];
  while (true) {
    const int n = epoll_wait(epoll, events, std::size(events), -1);
    if (window.over()) return;
    for (int i = 0; i < n; ++i) {
      Connection& c = *static_cast<Connection*>(events[i].data.ptr);
      if (events[i].events & ~EPOLLOUT) {
        const ssize_t got = recv(c.fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (got == 0) fail("the server has closed a connection");
        if (got < 0 && errno != EAGAIN) fail("recv", errno);
        if (got > 0) came(c, buffer.data(), static_cast<std::size_t>(got));
      }
      send_by_epoll(epoll, c);
    }
  }
}

// ---- before and after

int dial() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(options.port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) fail("connect", errno);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

// What one request is answered by: as many bytes as its head and its Content-Length say.
std::size_t answer_to(std::string_view request) {
  const int fd = dial();
  if (::send(fd, request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size())) fail("send", errno);
  std::string head;
  char data[4096];
  while (head.find("\r\n\r\n") == head.npos) {
    const ssize_t n = recv(fd, data, sizeof data, 0);
    if (n <= 0) fail("no answer to the first request", n < 0 ? errno : 0);
    head.append(data, static_cast<std::size_t>(n));
  }
  close(fd);
  const auto length = head.find("Content-Length: ");
  if (length == head.npos) fail("an answer without a Content-Length");
  return head.find("\r\n\r\n") + 4 + std::strtoul(head.c_str() + length + 16, nullptr, 10);
}

void prepare() {
  std::string message;
  if (options.http) {
    message = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    expected = "HTTP/1.1 200 ";
    answer_size = answer_to(message);
  } else {
    for (int i = 0; i < options.size; ++i) message += static_cast<char>(i * 131 >> 3);  // one that is lost is seen
    expected = message;
    answer_size = message.size();
  }
  message_size = message.size();
  for (int i = 0; i <= options.depth; ++i) messages += message;
}

double peak_kib() {
  const std::string path = "/proc/" + std::to_string(options.pid) + "/status";
  std::FILE* file = std::fopen(path.c_str(), "r");
  double kib = 0;
  char line[256];
  while (file != nullptr && std::fgets(line, sizeof line, file) != nullptr) {
    if (std::strncmp(line, "VmHWM:", 6) == 0) kib = std::atof(line + 6);
  }
  if (file != nullptr) std::fclose(file);
  return kib;
}

bool parse(int argc, char** argv) {
  const std::map<std::string_view, std::variant<int*, double*, std::string*>> known{
      {"-port", &options.port}, {"-pid", &options.pid}, {"-conns", &options.conns}, {"-depth", &options.depth}, {"-size", &options.size},
      {"-seconds", &options.seconds}, {"-warmup", &options.warmup}, {"-cpu", &options.cpu}, {"-engine", &options.engine}, {"-name", &options.name}};
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "-http") == 0) {
      options.http = true;
      continue;
    }
    const auto option = known.find(argv[i]);
    if (option == known.end() || ++i == argc) return false;
    const char* value = argv[i];
    if (auto* number = std::get_if<int*>(&option->second)) **number = std::atoi(value);
    if (auto* number = std::get_if<double*>(&option->second)) **number = std::atof(value);
    if (auto* text = std::get_if<std::string*>(&option->second)) **text = value;
  }
  return options.port > 0 && options.pid > 0 && options.conns > 0 && options.depth > 0 && options.size > 0;
}

void pin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  if (sched_setaffinity(0, sizeof set, &set) != 0) fail("sched_setaffinity", errno);
}

}  // namespace

int main(int argc, char** argv) {
  if (!parse(argc, argv)) fail("see the first lines of tests/bench/generator.cpp");
  if (options.cpu >= 0) pin(options.cpu);
  alarm(static_cast<unsigned>(options.warmup + options.seconds) + 10);  // a server that answers no more ends it
  prepare();
  std::vector<Connection> connections(static_cast<std::size_t>(options.conns));
  for (Connection& c : connections) {
    c.fd = dial();
    c.owed = message_size * static_cast<std::size_t>(options.depth);
  }
  clockid_t server;
  if (const int error = clock_getcpuclockid(options.pid, &server)) fail("clock_getcpuclockid", error);
  Window window{server};
  Uring uring;
  if (options.engine == "uring" && uring.open())
    uring.run(connections, window);
  else
    run_epoll(connections, window);
  if (window.count == 0) fail("no answers");
  const double count = static_cast<double>(window.count);
  std::printf("%s\t1\t0\tcpu\tus/op\t%.6f\n", options.name.c_str(), static_cast<double>(window.cpu) / 1e3 / count);
  std::printf("%s\t1\t0\trate\tk/s\t%.6f\n", options.name.c_str(), count * 1e6 / static_cast<double>(window.took));
  std::printf("%s\t1\t0\tpeak_rss\tKiB\t%.0f\n", options.name.c_str(), peak_kib());
}
