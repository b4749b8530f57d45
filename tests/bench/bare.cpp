// tests/bench/bare.cpp — an echo server and an HTTP server that are a loop round io_uring and nothing else: what is below any library's cost.
// Go: none.
//
//   bare echo|http [MICROSECONDS]      prints "listening on 127.0.0.1:N"; before it sleeps it looks for so long whether something has come
//
// One thread; for each message one receive and one send go through the ring, and what has been decided goes out with the next wait.  No limits, no
// deadlines, no way to end but a signal.  Exit status 77: the kernel has no such ring.
#include <arpa/inet.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

namespace {

struct Connection {
  int fd;
  unsigned matched = 0;  // bytes of the blank line that ends a request
  std::array<char, 16384> data{};
};

enum : std::uint64_t { receiving = 0, sending = 1, accepting = 2, tags = 3 };

constexpr std::string_view hello = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, World!";
constexpr std::string_view blank_line = "\r\n\r\n";
constexpr unsigned most_together = 64;

io_uring ring;
int listener = -1;
bool http = false;
std::string hellos;

io_uring_sqe* sqe() {
  io_uring_sqe* free = io_uring_get_sqe(&ring);
  if (free != nullptr) return free;
  io_uring_submit(&ring);
  return io_uring_get_sqe(&ring);
}

void finish(io_uring_sqe* entry, Connection* c, std::uint64_t tag) {
  io_uring_sqe_set_data64(entry, reinterpret_cast<std::uintptr_t>(c) | tag);
}

void accept_all() {
  io_uring_sqe* entry = sqe();
  io_uring_prep_multishot_accept(entry, listener, nullptr, nullptr, SOCK_CLOEXEC);
  finish(entry, nullptr, accepting);
}

void receive(Connection* c) {
  io_uring_sqe* entry = sqe();
  io_uring_prep_recv(entry, c->fd, c->data.data(), c->data.size(), 0);
  entry->ioprio |= IORING_RECVSEND_POLL_FIRST;  // it has just been emptied
  finish(entry, c, receiving);
}

void send(Connection* c, const char* data, std::size_t n) {
  io_uring_sqe* entry = sqe();
  io_uring_prep_send(entry, c->fd, data, n, MSG_WAITALL | MSG_NOSIGNAL);
  finish(entry, c, sending);
}

unsigned requests(Connection* c, std::size_t n) {
  unsigned count = 0;
  for (std::size_t i = 0; i < n; ++i) {
    c->matched = c->data[i] == blank_line[c->matched] ? c->matched + 1 : c->data[i] == '\r';
    if (c->matched < blank_line.size()) continue;
    c->matched = 0;
    ++count;
  }
  return count;
}

void received(Connection* c, std::size_t n) {
  if (!http) return send(c, c->data.data(), n);
  const unsigned count = requests(c, n);
  if (count > most_together) std::abort();  // who asks so much at once is not among the workloads
  count != 0 ? send(c, hellos.data(), count * hello.size()) : receive(c);
}

void completed(const io_uring_cqe& cqe) {
  const std::uint64_t tag = cqe.user_data & tags;
  auto* c = reinterpret_cast<Connection*>(cqe.user_data & ~tags);
  if (tag == accepting) {
    if (cqe.res >= 0) receive(new Connection{cqe.res});
    if (!(cqe.flags & IORING_CQE_F_MORE)) accept_all();
  } else if (cqe.res <= 0) {
    close(c->fd);
    delete c;
  } else {
    tag == receiving ? received(c, static_cast<std::size_t>(cqe.res)) : receive(c);
  }
}

bool something_has_come() { return io_uring_cq_ready(&ring) != 0 || (IO_URING_READ_ONCE(*ring.sq.kflags) & IORING_SQ_TASKRUN) != 0; }

void listen_somewhere() {
  const int on = 1;
  listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // which accepted sockets inherit
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  if (bind(listener, reinterpret_cast<sockaddr*>(&at), size) != 0 || listen(listener, 4096) != 0 ||
      getsockname(listener, reinterpret_cast<sockaddr*>(&at), &size) != 0) {
    std::perror("bare");
    std::exit(1);
  }
  std::printf("listening on 127.0.0.1:%d\n", ntohs(at.sin_port));
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  using std::chrono::steady_clock;
  if (argc < 2) return 2;
  http = std::strcmp(argv[1], "http") == 0;
  const std::chrono::microseconds spin(argc > 2 ? std::atoi(argv[2]) : 0);
  for (unsigned i = 0; i < most_together; ++i) hellos += hello;
  io_uring_params params{};
  params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_CQSIZE;
  params.cq_entries = 16384;
  if (io_uring_queue_init_params(2048, &ring, &params) != 0) return 77;
  listen_somewhere();
  accept_all();
  while (true) {
    if (spin.count() != 0) {
      io_uring_submit(&ring);
      for (const auto until = steady_clock::now() + spin; !something_has_come() && steady_clock::now() < until;) {
      }
    }
    io_uring_submit_and_wait(&ring, 1);
    io_uring_cqe* cqe = nullptr;
    unsigned head = 0, seen = 0;
    io_uring_for_each_cqe(&ring, head, cqe) {
      ++seen;
      completed(*cqe);
    }
    io_uring_cq_advance(&ring, seen);
  }
}
