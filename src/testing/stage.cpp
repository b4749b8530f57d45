// src/testing/stage.cpp — playing a test on the calling thread.
// Go: runtime/synctest.go (synctestRun).  Room: testing (floor 6).
#include "testing/stage.hpp"

#include <stdexcept>
#include <utility>

#include "debug/dump.hpp"
#include "gmp/debug.hpp"
#include "sched/sched.hpp"
#include "sys/patience.hpp"

namespace gmp::detail {

namespace {

constexpr std::uint64_t resumed_max = 200'000;  // of one schedule: then it will not end
constexpr std::size_t steps_shown_max = 500;

const char* allowed_here(const char* called) {
  M* mp = this_m();
  if (mp == nullptr) return called;
  if (mp->sched_->environment() != nullptr) throw std::logic_error(std::string(called) + " called inside another test of gmp::testing");
  throw std::logic_error(std::string(called) + " called on a goroutine");
}

}  // namespace

Options Stage::options(const std::shared_ptr<Panic>& panic) {
  Options options;
  options.procs = 1;
  options.name = "gmp-test";
  options.poller = gmp::Poller::epoll;  // the cheapest to make
  options.stop_grace = std::chrono::nanoseconds(0);
  options.on_panic = [panic](std::exception_ptr thrown, const GInfo& info) {
    if (panic->thrown != nullptr) return;
    panic->thrown = std::move(thrown);
    panic->info = info;
  };
  return options;
}

Stage::Stage(const char* called, bool chooses)
    : Environment((allowed_here(called), chooses)), executor_(options(panic_)), sched_(*sched_of(executor_)), begin_ns_(detail::now_ns()) {
  now_ns_ = begin_ns_;
  sched_.begin_alone(*this);
}

Stage::~Stage() { sched_.end_alone(); }  // then the executor stops

Stage::End Stage::play(const TestFunction& make, std::source_location where, std::uint64_t seed, bool recorded) {
  now_ns_ = begin_ns_;
  trace_ = resumed_ = 0;
  recorded_ = recorded;
  steps_.clear();
  strategy_.begin(seed);
  sched_.begin_again_alone(seed);

  ended_ = false;
  executor_.go(main(make), where);
  sched_.run_alone();

  End end;
  if (panic_->thrown != nullptr) {
    end.trouble = "panic: " + what_of(panic_->thrown) + "\n\n" + format(panic_->info);
  } else if (resumed_ > resumed_max) {
    end.trouble = "it does not end: goroutines went on " + std::to_string(resumed_max) + " times\n\n" + debug::goroutines(&executor_);
  } else if (thrown_ != nullptr) {
    end.thrown = std::exchange(thrown_, nullptr);
  } else if (!ended_) {
    end.trouble = "all goroutines are asleep - deadlock!\n\n" + debug::goroutines(&executor_);
  } else if (const std::int64_t left = sched_.goroutines(); left != 0) {
    end.trouble = "the test has ended, and " + std::to_string(left) + (left == 1 ? " goroutine is" : " goroutines are") + " left\n\n" +
                  debug::goroutines(&executor_);
  }
  return end;
}

// What leaves it ends the test at once: others may hold references to its variables.
Task<> Stage::main(const TestFunction& make) {
  try {
    co_await make();
  } catch (...) {
    thrown_ = std::current_exception();
  }
  ended_ = true;
}

bool Stage::over() noexcept { return thrown_ != nullptr || panic_->thrown != nullptr || resumed_ > resumed_max; }

bool Stage::time_stands() noexcept { return ended_; }

std::size_t Stage::choose(const std::vector<G*>& runnable) noexcept {
  return with_memory([&] { return choose_and_note(runnable); });
}

std::size_t Stage::choose_and_note(const std::vector<G*>& runnable) {
  ids_.clear();
  for (G* gp : runnable) ids_.push_back(gp != nullptr ? gp->id_ : 0);
  const std::size_t chosen = strategy_.choose(ids_);
  G* gp = runnable[chosen];
  std::source_location at{};
  if (gp != nullptr) at = gp->started_ ? gp->leaf_->site_ : gp->created_at_;
  trace_ = Random(trace_ ^ (ids_[chosen] << 32) ^ at.line()).next();
  ++resumed_;
  if (recorded_) steps_.push_back(Step{ids_[chosen], at, gp != nullptr ? name_of(gp) : std::string(), nullptr});
  return chosen;
}

void Stage::yielded(G* gp) noexcept {
  if (chooses_) with_memory([&] { strategy_.yielded(gp->id_); });
}

void Stage::threw(G* gp, std::exception_ptr thrown) noexcept {
  panic_->thrown = std::move(thrown);
  with_memory([&] { panic_->info = snapshot(gp); });
}

std::uint32_t Stage::draw(std::uint32_t n) noexcept {
  if (!chooses_) return 0;
  const std::uint32_t drawn = strategy_.draw(n);
  trace_ = Random(trace_ + drawn).next();
  return drawn;
}

bool Stage::fault(const char* what) noexcept {
  if (!chooses_ || strategy_.faults() == 0 || draw(1000) >= strategy_.faults()) return false;
  if (recorded_) with_memory([&] { steps_.push_back(Step{0, {}, {}, what}); });
  return true;
}

std::string Stage::steps() const {
  std::string text;
  std::size_t first = 0;
  if (steps_.size() > steps_shown_max) {
    first = steps_.size() - steps_shown_max;
    text += "  ... " + std::to_string(first) + " steps before these\n";
  }
  for (std::size_t i = first; i < steps_.size(); ++i) {
    const Step& step = steps_[i];
    text += "  " + std::to_string(i + 1) + "  ";
    if (step.fault != nullptr) {
      text += std::string("fault: ") + step.fault + "\n";
      continue;
    }
    if (step.id == 0) {
      text += "a timer fires\n";
      continue;
    }
    text += title_of(step.id, step.name) + "  " + place_of(step.at) + "\n";
  }
  return text;
}

}  // namespace gmp::detail
