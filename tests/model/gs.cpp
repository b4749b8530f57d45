// tests/model/gs.cpp — park.hpp as modelled gs see it.
// Go: none.  Room: tests/model.
#include "model/gs.hpp"

#include <algorithm>
#include <memory>

#include "gmp/detail/base/assert.hpp"
#include "gmp/detail/park.hpp"
#include "sched/status.hpp"

namespace gmp::detail {

struct SemaRootVerifier {
  static void forget_all() {
    for (std::uintptr_t i = 0; i < 251; ++i) std::construct_at(&SemaRoot::of(i << 3).tree_);
  }
};

}  // namespace gmp::detail

namespace gmp::model {

World world;

void reset_world() {
  world = World{};
  detail::SemaRootVerifier::forget_all();
}

namespace {
constexpr std::uint32_t runnable = static_cast<std::uint32_t>(detail::Status::runnable);
constexpr std::uint32_t running = static_cast<std::uint32_t>(detail::Status::running);
}  // namespace

void ModelG::sleep() {
  for (;;) {
    block_until([this] { return peek(gp.status_) == runnable && world.offered != &gp; }, "parked");
    if (step()) return;
  }
}

bool ModelG::woken() const { return peek(gp.status_) == runnable; }

bool ModelG::step() {
  std::replace(world.next.begin(), world.next.end(), &gp, static_cast<detail::G*>(nullptr));  // first of all: from here on nobody speaks to it
  check(gp.status_.exchange(running, detail::acquire) == runnable, "woken, and not runnable");
  if (world.next_handed != nullptr) world.next_handed->fetch_add(0, detail::acquire);  // the same M runs it, or a visitor has made sure (claim.hpp)
  return gp.step_ == nullptr || gp.step_(&gp);
}

bool ModelG::cancel() {
  if (!withdrawable_.hold()) return false;
  withdrawable_.withdraw_held();
  return true;
}

ModelTimers::ModelTimers() {
  world.timers = &heap;
  world.timers_added = &added;
}

void ModelTimers::fire_until(std::int64_t now, const int& over, int all) {
  for (int seen = 0; over < all;) {
    block_until([&] { return peek(added) > seen || over == all; }, "a timer");
    seen = added.load(detail::acquire);  // as the waker of an M orders it
    if (moves_clock) world.clock_ns = std::max(world.clock_ns, now);
    heap.run_due(now);
  }
}

void ModelG::stop(detail::Waiter& w) {
  world.tearing_down |= 1u << static_cast<unsigned>(self());
  while (!w.withdraw_(&w)) pause();
  world.tearing_down &= ~(1u << static_cast<unsigned>(self()));
}

}  // namespace gmp::model

namespace gmp::detail {

using model::world;

Atomic<std::uint32_t> attention{0};

void require_plain_thread(const char*, const char*) {}

void park_begin(G* gp, FrameLink& leaf, WaitReason, Waiter* w, bool (*step)(G*)) noexcept {
  gp->leaf_ = &leaf;
  gp->waiter_ = w;
  gp->step_ = step;
  if (status::begin_wait(gp)) give_up(w);
}

void park_abort(G* gp) noexcept {
  status::abort_wait(gp->status_);
  gp->waiter_ = nullptr;
  gp->step_ = nullptr;
}

void repark_begin(G* gp) noexcept {
  if (status::begin_wait(gp)) give_up(gp->waiter_);
}

bool hold_begin(G* gp) noexcept { return status::begin_hold(gp->status_); }

// Whoever finds it runnable without a bit runs it: there is no queue.
void hold_end(G* gp, bool wakes) noexcept {
  if (wakes) model::check(!status::make_runnable(gp->status_), "withdrawn, and not held");
  static_cast<void>(status::end_hold(gp->status_));
}

bool give_way(G*, FrameLink&) noexcept { return false; }
bool put_off(G*, FrameLink&, void*, bool (*)(void*, FrameLink&)) noexcept { return false; }

void ready(G* gp) noexcept {
  if (status::make_runnable(gp->status_) && world.next_handed != nullptr) world.next[static_cast<std::size_t>(model::self())] = gp;
}

bool offer_to_next(bool (*accept)(G* next, void* what), void* what) noexcept {
  if (world.next_handed == nullptr) return false;
  G* next = world.next[static_cast<std::size_t>(model::self())];
  if (next == nullptr || model::peek(next->status_) != model::runnable) return false;
  world.offered = next;
  const bool accepted = accept(next, what);
  world.next_handed->fetch_add(1, release);
  world.offered = nullptr;
  return accepted;
}

void ready_handoff(G* gp) noexcept { ready(gp); }

void timer_add(G*, Timer* timer, std::int64_t when_ns) {
  world.timers->add(timer, when_ns);
  world.timers_added->fetch_add(1, release);
}

std::uint32_t cheap_random() noexcept { return world.random++; }

std::int64_t now_ns() noexcept { return world.clock_ns += world.clock_step_ns; }

bool can_spin(G*, int iteration) noexcept { return iteration < world.spins; }
void spin(int) noexcept { cpu_pause(); }

bool tearing_down() noexcept { return (world.tearing_down >> static_cast<unsigned>(model::self()) & 1) != 0; }
bool torn_down(const G*) noexcept { return tearing_down(); }  // there is one executor

bool take_phantom(const void* lock) noexcept {
  if (world.phantom != lock) return false;
  world.phantom = nullptr;
  return true;
}
void note_phantom(const void* lock) noexcept { world.phantom = lock; }

}  // namespace gmp::detail
