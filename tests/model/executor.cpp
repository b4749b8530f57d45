// tests/model/executor.cpp — gs of an executor: frames that are started, run or destroyed.
// Go: none.  Room: tests/model; stands in for src/executor, for src/sched/frames.cpp and for what src/task/promise.cpp does with an M.
#include "model/executor.hpp"

#include <new>
#include <stdexcept>
#include <utility>

#include "gmp/detail/task/spawn.hpp"

namespace gmp::model {

namespace {
ModelExecutor* the_executor;
}  // namespace

ModelExecutor::ModelExecutor() { the_executor = this; }

ModelExecutor::~ModelExecutor() { the_executor = nullptr; }

bool ModelExecutor::add(detail::Timer* timer, std::int64_t when_ns) {
  detail::LockGuard guard(lock_);
  if (stopped_) return false;
  heap_.add(timer, when_ns);
  return true;
}

bool ModelExecutor::launch(detail::FrameLink& root) {
  detail::LockGuard guard(lock_);
  if (!stopped_) queue_.push_back(&root);
  return !stopped_;
}

bool ModelExecutor::run_one() {
  detail::FrameLink* root = nullptr;
  {
    detail::LockGuard guard(lock_);
    if (queue_.empty()) return false;
    root = queue_.front();
    queue_.pop_front();
  }
  root->handle().resume();
  root->handle().destroy();
  return true;
}

void ModelExecutor::stop() {
  std::deque<detail::FrameLink*> left;
  {
    detail::LockGuard guard(lock_);
    stopped_ = true;
  }
  while (detail::Timer* timer = heap_.take_first()) {
    if (timer->told_of_stop) timer->fire(timer, detail::never);
  }
  {
    detail::LockGuard guard(lock_);
    left.swap(queue_);
  }
  for (detail::FrameLink* root : left) root->handle().destroy();
}

namespace {

struct Captured {
  explicit Captured(Fate& of) noexcept : fate(&of) {}
  Captured(Captured&& other) noexcept : fate(std::exchange(other.fate, nullptr)) {}
  Captured(const Captured&) = delete;
  Captured& operator=(const Captured&) = delete;
  ~Captured() {
    if (fate != nullptr) fate->gone.set(fate->gone.get() + 1);
  }
  Fate* fate;
};

Task<> run_of(Captured captured) {
  captured.fate->ran.set(captured.fate->ran.get() + 1);
  co_return;
}

}  // namespace

Task<> fateful(Fate& fate) { return run_of(Captured(fate)); }

}  // namespace gmp::model

namespace gmp::detail {

namespace {
model::ModelExecutor& executor_of(Sched* sched) noexcept { return *reinterpret_cast<model::ModelExecutor*>(sched); }
}  // namespace

Sched* sched_here() { return reinterpret_cast<Sched*>(model::the_executor); }
Sched* sched_of_this_thread() noexcept { return sched_here(); }

bool timer_add(Sched* sched, Timer* timer, std::int64_t when_ns) { return executor_of(sched).add(timer, when_ns); }

std::uint64_t launch(Sched* sched, FrameLink& root, std::source_location, GEnd*) {
  if (!executor_of(sched).launch(root)) throw std::runtime_error("executor stopped");
  return 0;
}

void outside_hope_begins() noexcept {}
void outside_hope_ends() noexcept {}

void* frame_alloc(std::size_t size) { return ::operator new(size); }
void frame_free(void* frame, std::size_t) noexcept { ::operator delete(frame); }
std::coroutine_handle<> trampoline(G*, std::coroutine_handle<> next) noexcept { return next; }
std::coroutine_handle<> root_ended(FrameLink&) noexcept { return std::noop_coroutine(); }
void settle(FrameLink&) {}
void note_unwinding(FrameLink&) noexcept {}
void throw_task_awaited() { throw std::logic_error("task already awaited"); }
void throw_empty_task() { throw std::invalid_argument("go: empty task"); }

}  // namespace gmp::detail
