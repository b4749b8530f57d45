// tests/guest/layout.cpp — how large the types are that a program compiles into itself: a change is one of the ABI.
// Go: none.  Room: tests/guest.
#include <gmp/gmp.hpp>
#include <gmp/testing.hpp>
#ifdef GMPCORO_TEST_TLS
#include <gmp/tls.hpp>
#endif

#include <cstddef>
#include <cstdio>

using namespace gmp;

namespace {

template <class T>
void show(const char* name) {
  std::printf("%s: %zu, aligned to %zu\n", name, sizeof(T), alignof(T));
}

}  // namespace

#define GMPCORO_SHOW(...) show<__VA_ARGS__>(#__VA_ARGS__)

int main() {
  // What users name.
  GMPCORO_SHOW(AfterFunc);
  GMPCORO_SHOW(CancelFunc);
  GMPCORO_SHOW(Cancellable);
  GMPCORO_SHOW(Chan<int>);
  GMPCORO_SHOW(ClosedChannel);
  GMPCORO_SHOW(Cond);
  GMPCORO_SHOW(Context);
  GMPCORO_SHOW(ContextKey<int>);
  GMPCORO_SHOW(Executor);
  GMPCORO_SHOW(GInfo);
  GMPCORO_SHOW(Group);
  GMPCORO_SHOW(JoinHandle<int>);
  GMPCORO_SHOW(Mutex);
  GMPCORO_SHOW(Once);
  GMPCORO_SHOW(OnceValue<int>);
  GMPCORO_SHOW(OpError);
  GMPCORO_SHOW(Options);
  GMPCORO_SHOW(RWMutex);
  GMPCORO_SHOW(Result<int>);
  GMPCORO_SHOW(Result<void>);
  GMPCORO_SHOW(SelectCase);
  GMPCORO_SHOW(Semaphore);
  GMPCORO_SHOW(Task<int>);
  GMPCORO_SHOW(Ticker);
  GMPCORO_SHOW(Timer);
  GMPCORO_SHOW(WaitGroup);
  GMPCORO_SHOW(Waker<int>);
  GMPCORO_SHOW(debug::Stats);
  GMPCORO_SHOW(io::BufReader<net::Conn>);
  GMPCORO_SHOW(io::BufWriter<net::Conn>);
  GMPCORO_SHOW(io::Buffer);
  GMPCORO_SHOW(io::ConstBuffer);
  GMPCORO_SHOW(net::Addr);
  GMPCORO_SHOW(net::Conn);
  GMPCORO_SHOW(net::DialOptions);
  GMPCORO_SHOW(net::ListenOptions);
  GMPCORO_SHOW(net::Received);
#ifdef GMPCORO_TEST_TLS
  GMPCORO_SHOW(net::TlsConfig);
  GMPCORO_SHOW(net::TlsState);
#endif
  GMPCORO_SHOW(os::Command);
  GMPCORO_SHOW(os::ExitStatus);
  GMPCORO_SHOW(os::File);
  GMPCORO_SHOW(os::Process);
  GMPCORO_SHOW(testing::Exploration);
  GMPCORO_SHOW(testing::Failure);

  // What inline code knows the members of.
  GMPCORO_SHOW(detail::CancelNode);
  GMPCORO_SHOW(detail::ChanWaiter);
  GMPCORO_SHOW(detail::ContextLink);
  GMPCORO_SHOW(detail::FdOperation);
  GMPCORO_SHOW(detail::FileCall);
  GMPCORO_SHOW(detail::ForkJoin);
  GMPCORO_SHOW(detail::FrameLink);
  GMPCORO_SHOW(detail::G);
  GMPCORO_SHOW(detail::HChan);
  GMPCORO_SHOW(detail::JoinState<int>);
  GMPCORO_SHOW(detail::ReadBuffer);
  GMPCORO_SHOW(detail::Selection);
  GMPCORO_SHOW(detail::TimeoutLink);
  GMPCORO_SHOW(detail::Timer);
  GMPCORO_SHOW(detail::Waiter);
  GMPCORO_SHOW(detail::WakerBlock);
  GMPCORO_SHOW(detail::WriteBuffer);
  GMPCORO_SHOW(Task<>::promise_type);

  // What lies in the frames of a program.
  GMPCORO_SHOW(detail::AcceptOp::Awaiter);
  GMPCORO_SHOW(detail::CondAwaiter);
  GMPCORO_SHOW(detail::DialOp::Awaiter);
  GMPCORO_SHOW(detail::MutexLockAwaiter);
  GMPCORO_SHOW(detail::OpenOp::Awaiter);
  GMPCORO_SHOW(detail::RWMutexLockAwaiter);
  GMPCORO_SHOW(detail::RWMutexRLockAwaiter);
  GMPCORO_SHOW(detail::ReadOp::Awaiter);
  GMPCORO_SHOW(detail::ReadinessOp::Awaiter);
  GMPCORO_SHOW(detail::SelectSpanAwaiter);
  GMPCORO_SHOW(detail::SemaphoreAwaiter);
  GMPCORO_SHOW(detail::SleepOp::Awaiter);
  GMPCORO_SHOW(detail::WaitGroupAwaiter);
}
