// tests/support/failsys.cpp — runs a program for which the kernel refuses chosen system calls.
// Go: none.  Room: tests/support.
//
//   failsys io_uring_setup=EPERM -- program arguments…      as in a container whose policy forbids io_uring
//   failsys --needs-uring -- program arguments…             exit 77 (skipped) where io_uring is refused already
//   failsys --expect io_uring_setup=EPERM                   tests itself: fails unless the call fails with just that error
// A seccomp filter, which children inherit and nobody can take off again. Unprivileged: PR_SET_NO_NEW_PRIVS comes first.
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <vector>

namespace {

struct Name {
  std::string_view text;
  int number;
};

constexpr Name calls[] = {
    {"io_uring_setup", SYS_io_uring_setup}, {"io_uring_enter", SYS_io_uring_enter}, {"io_uring_register", SYS_io_uring_register},
    {"epoll_create1", SYS_epoll_create1},   {"eventfd2", SYS_eventfd2},             {"clone", SYS_clone},
    {"clone3", SYS_clone3},                 {"membarrier", SYS_membarrier},         {"futex", SYS_futex},
    {"socket", SYS_socket},                 {"accept4", SYS_accept4},               {"timerfd_create", SYS_timerfd_create},
    {"signalfd4", SYS_signalfd4},           {"pidfd_open", SYS_pidfd_open},         {"sched_getaffinity", SYS_sched_getaffinity},
};
constexpr Name errors[] = {
    {"EPERM", EPERM},   {"ENOSYS", ENOSYS}, {"ENOMEM", ENOMEM},   {"EINVAL", EINVAL}, {"EMFILE", EMFILE},
    {"ENFILE", ENFILE}, {"EAGAIN", EAGAIN}, {"ENOBUFS", ENOBUFS}, {"EBUSY", EBUSY},   {"EINTR", EINTR},
};

constexpr int skipped = 77;

#if defined(__x86_64__)
constexpr unsigned architecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr unsigned architecture = AUDIT_ARCH_AARCH64;
#else
#error "failsys does not know this architecture's audit number"
#endif

template <std::size_t N>
int number_of(const Name (&names)[N], std::string_view text) {
  for (const Name& name : names) {
    if (name.text == text) return name.number;
  }
  return -1;
}

struct Refusal {
  int call;
  int error;
};

bool parse(std::string_view text, Refusal& refusal) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos) return false;
  refusal = {number_of(calls, text.substr(0, equals)), number_of(errors, text.substr(equals + 1))};
  return refusal.call >= 0 && refusal.error >= 0;
}

bool refuse(const std::vector<Refusal>& refusals) {
  std::vector<sock_filter> program = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, architecture, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),  // the numbers below mean something else there
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
  };
  for (const Refusal& refusal : refusals) {
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(refusal.call), 0, 1));
    program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(refusal.error)));
  }
  program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  const sock_fprog filter = {static_cast<unsigned short>(program.size()), program.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

// Arguments that no call takes, so that nothing happens where it is allowed.
int error_of(int call) { return ::syscall(call, -1, -1, -1, -1, -1, -1) < 0 ? errno : 0; }

// A null parameter block: EFAULT where io_uring is allowed, before anything is made.
bool has_uring() { return ::syscall(SYS_io_uring_setup, 1, nullptr) < 0 && errno == EFAULT; }

int usage() {
  std::fputs("usage: failsys [--needs-uring] [CALL=ERROR…] -- PROGRAM [ARGUMENT…]\n", stderr);
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<Refusal> refusals;
  int i = 1;
  for (; i < argc && std::strcmp(argv[i], "--") != 0; ++i) {
    Refusal refusal;
    if (std::strcmp(argv[i], "--needs-uring") == 0) {
      if (has_uring()) continue;
      std::puts("skipped: this system refuses io_uring");
      return skipped;
    }
    if (std::strcmp(argv[i], "--expect") == 0 && i + 1 < argc && parse(argv[i + 1], refusal)) {
      const bool others_work = ::syscall(SYS_getpid) == ::getpid();
      return error_of(refusal.call) == refusal.error && others_work ? 0 : 1;
    }
    if (!parse(argv[i], refusal)) return usage();
    refusals.push_back(refusal);
  }
  if (i + 1 >= argc) return usage();
  if (!refusals.empty() && !refuse(refusals)) {
    std::printf("skipped: this system refuses seccomp filters (%s)\n", std::strerror(errno));
    return skipped;
  }
  ::execv(argv[i + 1], argv + i + 1);
  std::perror(argv[i + 1]);
  return 127;
}
