// src/executor/executor.cpp — the compiled side of Executor, go() and this_g.
// Go: runtime/proc.go (main, newproc), runtime/debug.go.  Room: executor (floor 4).
#include "gmp/executor.hpp"

#include <stdexcept>

#include "sched/panic.hpp"
#include "sched/sched.hpp"
#include "sys/quit_signal.hpp"

namespace gmp {

namespace detail {

namespace {

// An Executor is found from its scheduler by current(); the map is the scheduler's own back pointer.
void destroy(Sched* sched) { delete sched; }

}  // namespace

void require_off_g_to_run() {
  if (!on_plain_thread()) throw std::logic_error("run() called from inside a goroutine");
}

Sched* sched_here() {
  if (tearing_down()) return nullptr;
  if (G* gp = current_g()) return gp->sched_;
  return sched_of(default_executor());
}

// From another thread the executor may be stopping at this moment: it waits until the g is started, or refuses it (ST4).
std::uint64_t launch(Sched* sched, FrameLink& root, std::source_location where, GEnd* end) {
  const auto start = [&] {
    G* gp = sched->new_g(&root, where, end);
    const std::uint64_t id = gp->id_;
    sched->start(gp);
    return id;
  };
  G* here = current_g();
  if (here != nullptr && here->sched_ == sched) return start();
  if (!sched->enter_if_running()) throw std::runtime_error("executor stopped");
  auto leave = defer([&]() noexcept { sched->leave_user(); });
  return start();
}

bool LockThreadOp::Awaiter::await_ready() {
  M* mp = caller_->m_;
  GExtra& extra = extra_of(caller_);
  extra.locked_m_ = mp;
  ++extra.lock_count_;
  mp->locked_g_ = caller_;
  caller_->locked_ = true;
  return true;
}

}  // namespace detail

Executor::Executor(Options options) : sched_(new detail::Sched(std::move(options)), &detail::destroy) { sched_->owner_ = this; }
Executor::Executor(Options options, DetectDeadlock) : sched_(new detail::Sched(std::move(options), true), &detail::destroy) { sched_->owner_ = this; }
Executor::~Executor() { sched_->stop(); }

void Executor::stop() { sched_->stop(); }
bool Executor::stopped() const noexcept { return sched_->stopped(); }
int Executor::procs() const noexcept { return sched_->procs(); }

Executor* Executor::current() noexcept {
  detail::G* gp = detail::current_g();
  return gp != nullptr ? static_cast<Executor*>(gp->sched_->owner_) : nullptr;
}

detail::Sched* Executor::sched_here() const noexcept { return detail::tearing_down() ? nullptr : sched_.get(); }
detail::Sched* detail::sched_of(Executor& executor) noexcept { return executor.sched_.get(); }

Executor& default_executor() {
  static Executor* const forever = new Executor();  // never destroyed: gs may outlive main's statics
  return *forever;
}

detail::QuitWatch::QuitWatch() noexcept { sys::quit_signal_begin(&library_thread_begins, &report_quit); }
detail::QuitWatch::~QuitWatch() { sys::quit_signal_end(); }
detail::FreeRun::FreeRun() : executor_(Options{}, Executor::DetectDeadlock{}) {}

std::size_t num_goroutine() {
  detail::Sched* sched = detail::sched_here();
  return sched != nullptr ? static_cast<std::size_t>(std::max<std::int64_t>(sched->goroutines(), 0)) : 0;
}

int gomaxprocs(int n) {
  detail::Sched* sched = detail::sched_here();
  return sched != nullptr ? sched->set_procs(n) : 1;
}

namespace this_g {

std::uint64_t id() {
  detail::G* gp = detail::current_g();
  return gp != nullptr ? detail::running_id(gp) : 0;
}

void set_name(std::string name) {
  if (detail::G* gp = detail::current_g()) detail::set_name(gp, std::move(name));
}

void unlock_os_thread() {
  detail::G* gp = detail::current_g();
  if (gp == nullptr || !gp->locked_ || --gp->extra_->lock_count_ > 0) return;
  gp->locked_ = false;
  gp->extra_->locked_m_->locked_g_ = nullptr;
}

}  // namespace this_g
}  // namespace gmp
