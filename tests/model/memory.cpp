// tests/model/memory.cpp — what loads return and stores do: the weak memory model. The rules are in explorer.hpp.
// Go: none.  Room: tests/model.
#include <algorithm>
#include <cstring>

#include "model/explorer.hpp"

namespace gmp::model {
namespace {

Bits bytes_at(const void* address, unsigned size) noexcept {
  Bits bits = 0;
  std::memcpy(&bits, address, size);
  return bits;
}

Bits cut(Bits bits, unsigned size) noexcept { return size == sizeof(Bits) ? bits : bits & ((Bits{1} << 8 * size) - 1); }

bool knows(const Clock& clock, const Store& store) noexcept {
  bool known = false;
  for (int t = 0; t < max_threads; ++t) known |= store.seen.at[t] <= clock.at[t];
  return known;
}

}  // namespace

Bits applied(Change how, Bits value, Bits operand, unsigned size) noexcept {
  switch (how) {
    case Change::set: return operand;
    case Change::add: return cut(value + operand, size);
    case Change::sub: return cut(value - operand, size);
    case Change::bit_or: return value | operand;
    case Change::bit_and: return value & operand;
    case Change::bit_xor: return value ^ operand;
  }
  return value;
}

// ---- places ----

void Explorer::begin_memory() {
  place_count_ = 0;
  guess_ = {};
}

void Explorer::end_memory() {
  for (unsigned i = 0; i < place_count_; ++i) {
    Place& p = *places_[i];
    if (p.from_outside && p.alive) std::memcpy(const_cast<void*>(p.address), &p.first, p.size);
    if (!options_.future_reads) continue;
    if (stored_.size() <= i) stored_.resize(i + 1);
    for (const Store& s : p.stores) {
      if (stored_[i].size() < 16 && std::find(stored_[i].begin(), stored_[i].end(), s.value) == stored_[i].end()) stored_[i].push_back(s.value);
    }
  }
}

Place* Explorer::find(const void* address) noexcept {
  for (std::size_t i = reinterpret_cast<std::uintptr_t>(address) * 0x9e3779b97f4a7c15 >> 50;; ++i) {
    const Slot& slot = table_[i & (table_.size() - 1)];
    if (slot.run != run_) return nullptr;
    if (slot.address == address) return slot.place;
  }
}

Place& Explorer::add_place(const void* address, unsigned size) {
  if (place_count_ == places_.size()) places_.push_back(std::make_unique<Place>());
  if (place_count_ > table_.size() / 2) fail("more Atomics than a model should have", Where::current());
  Place& p = *places_[place_count_];
  std::vector<Store> stores = std::move(p.stores);
  stores.clear();
  p = Place();
  p.stores = std::move(stores);
  p.address = address;
  p.size = size;
  p.number = place_count_++;
  for (std::size_t i = reinterpret_cast<std::uintptr_t>(address) * 0x9e3779b97f4a7c15 >> 50;; ++i) {
    Slot& slot = table_[i & (table_.size() - 1)];
    if (slot.run == run_ && slot.address != address) continue;
    slot = {address, run_, &p};
    return p;
  }
}

void Explorer::construct(void* address, unsigned size) {
  Place& p = add_place(address, size);
  Store& first = p.stores.emplace_back();
  first.value = bytes_at(address, size);
  first.seen.at.fill(Clock::never);
  first.seen.at[current_] = now();
  p.unlocked = me().clock;
  tick();
}

void Explorer::destroy(void* address) {
  Place* p = find(address);
  if (p == nullptr) p = &add_place(address, 1);
  p->alive = false;
}

Place& Explorer::place(const void* address, unsigned size, const Where& where) {
  Place* p = find(address);
  if (p == nullptr) {
    p = &add_place(address, size);
    p->from_outside = true;
    p->first = bytes_at(address, size);
    p->stores.emplace_back().value = p->first;  // seen at time 0: known to all
  }
  if (!p->alive) fail("used after its destruction", where);
  return *p;
}

void Explorer::write_through(Place& p) noexcept { std::memcpy(const_cast<void*>(p.address), &p.stores.back().value, p.size); }

// ---- rules ----

/// The oldest store that the running thread may read.
std::size_t Explorer::oldest_visible(const Place& p, bool in_s, const Where& where) {
  const Clock& clock = me().clock;
  for (std::size_t i = p.stores.size(); i-- != 0;) {
    if ((in_s && p.stores[i].in_s) || knows(clock, p.stores[i])) return i;
  }
  fail("used although its construction does not happen before that", where);
}

void Explorer::see(Place&, Store& store, std::memory_order order) {
  store.seen.at[current_] = std::min(store.seen.at[current_], now());
  if (acquires(order)) me().clock.join(store.released);
}

void Explorer::commit_late(Thread& thread) {
  if (thread.late_place == nullptr) return;
  for (Store& s : thread.late_place->stores) {
    if (s.id == thread.late_id) s.in_s = true;
  }
  thread.late_place = nullptr;
}

/// A seq_cst access of the running thread takes its place in S.
void Explorer::enter_s(Place& p, Store& store, bool write) {
  for (int t = 0; t < thread_count_; ++t) {
    if (t == current_ || me().clock.covers(t, threads_[t].late_time)) commit_late(threads_[t]);
  }
  if (write && strategy_->rarely()) {
    me().late_place = &p;
    me().late_id = store.id;
    me().late_time = now();
  } else {
    store.in_s = true;  // a load, too: what it returned comes before it in S, and so do not things older than that
  }
}

/// Adds a store of the running thread at a position in modification order.
Store& Explorer::append(Place& p, Bits value, std::memory_order order, bool rmw, std::size_t position) {
  Store store;
  store.value = value;
  store.rmw = rmw;
  store.id = ++p.next_id;
  store.seen.at.fill(Clock::never);
  store.seen.at[current_] = now();
  if (releases(order)) store.released = me().clock;
  if (rmw) store.released.join(p.stores[position - 1].released);  // a release sequence goes on
  Store& placed = *p.stores.insert(p.stores.begin() + static_cast<std::ptrdiff_t>(position), store);
  ++writes_;
  idle_pauses_ = 0;
  write_through(p);
  return placed;
}

// ---- guesses ----

bool Explorer::guess(Place& p, Bits& value) {
  if (guess_.made || p.number >= stored_.size() || stored_[p.number].empty() || !strategy_->rarely()) return false;
  value = stored_[p.number][strategy_->choose(static_cast<unsigned>(stored_[p.number].size()))];
  guess_ = {true, true, &p, value, current_, now()};
  return true;
}

void Explorer::check_guess(Place& p) {
  if (guess_.open && guess_.place == &p && me().clock.covers(guess_.thread, guess_.time)) abandon();
}

void Explorer::fulfil_guess(Place& p, Store& store) {
  if (!guess_.open || guess_.place != &p || store.value != guess_.value) return;
  guess_.open = false;
  store.seen.at[guess_.thread] = std::min(store.seen.at[guess_.thread], guess_.time);
}

// ---- accesses ----

Bits Explorer::load(const void* address, unsigned size, std::memory_order order, const Where& where) {
  Site& site = sites().at(where, Access::load);
  if (order == std::memory_order_release || order == std::memory_order_acq_rel) fail("a load cannot release", where);
  site.order = model::join(site.order, order);
  site.reached = true;
  order = meet(order, site.at_most);
  reschedule(where);
  Place& p = place(address, size, where);
  check_guess(p);
  const std::size_t oldest = oldest_visible(p, order == std::memory_order_seq_cst, where);
  Bits future;
  if (options_.future_reads && order == std::memory_order_relaxed && guess(p, future)) {
    record(Event::future_load, p.number, 0, future, order, 0, where);
    tick();
    return future;
  }
  const unsigned allowed = static_cast<unsigned>(p.stores.size() - oldest);
  const unsigned back = allowed == 1 || me().fresh ? 0 : strategy_->stale(allowed);
  Store& s = p.stores[p.stores.size() - 1 - back];
  see(p, s, order);
  if (order == std::memory_order_seq_cst) enter_s(p, s, false);
  record(Event::load, p.number, 0, s.value, order, back, where);
  tick();
  return s.value;
}

void Explorer::store(void* address, unsigned size, Bits value, std::memory_order order, const Where& where) {
  Site& site = sites().at(where, Access::store);
  if (order == std::memory_order_acquire || order == std::memory_order_acq_rel) fail("a store cannot acquire", where);
  site.order = model::join(site.order, order);
  site.reached = true;
  order = meet(order, site.at_most);
  reschedule(where);
  Place& p = place(address, size, where);
  check_guess(p);
  std::size_t position = p.stores.size();
  const std::size_t oldest = oldest_visible(p, false, where);
  if (order != std::memory_order_seq_cst && position > oldest + 1 && strategy_->rarely()) {
    position -= strategy_->stale(static_cast<unsigned>(position - oldest));
    while (position < p.stores.size() && p.stores[position].rmw) ++position;
  }
  const unsigned back = static_cast<unsigned>(p.stores.size() - position);
  const Bits before = p.stores.back().value;
  Store& s = append(p, value, order, false, position);
  if (order == std::memory_order_seq_cst) enter_s(p, s, true);
  fulfil_guess(p, s);
  me().fresh = false;
  record(Event::store, p.number, before, value, order, back, where);
  tick();
}

Bits Explorer::change(void* address, unsigned size, Change how, Bits operand, std::memory_order order, const Where& where) {
  Site& site = sites().at(where, Access::change);
  site.order = model::join(site.order, order);
  site.reached = true;
  order = meet(order, site.at_most);
  reschedule(where);
  Place& p = place(address, size, where);
  check_guess(p);
  oldest_visible(p, false, where);
  const Bits before = p.stores.back().value;
  see(p, p.stores.back(), order);
  Store& s = append(p, applied(how, before, operand, size), order, true, p.stores.size());
  if (order == std::memory_order_seq_cst) enter_s(p, s, true);
  fulfil_guess(p, s);
  me().fresh = false;
  record(Event::change, p.number, before, s.value, order, 0, where);
  tick();
  return before;
}

bool Explorer::compare_exchange(void* address, unsigned size, Bits& expected, Bits desired, std::memory_order success,
                                std::memory_order failure, bool weak, const Where& where) {
  Site& site = sites().at(where, Access::compare);
  if (failure == std::memory_order_release || failure == std::memory_order_acq_rel) fail("a compare_exchange that fails cannot release", where);
  site.order = model::join(site.order, success);
  site.failure_order = model::join(site.failure_order, failure);
  site.reached = true;
  success = meet(success, site.at_most);
  failure = meet(failure, site.failure_at_most);
  reschedule(where);
  Place& p = place(address, size, where);
  check_guess(p);
  const std::size_t oldest = oldest_visible(p, failure == std::memory_order_seq_cst, where);
  const unsigned allowed = static_cast<unsigned>(p.stores.size() - oldest);
  unsigned back = allowed == 1 || me().fresh ? 0 : strategy_->stale(allowed);
  // An older value that differs makes it fail; one that does not is no reason to, and to succeed it must have the newest.
  if (p.stores[p.stores.size() - 1 - back].value == expected) back = 0;
  Store& found = p.stores[p.stores.size() - 1 - back];
  const Bits before = found.value;
  if (before != expected || (weak && !me().fresh && strategy_->rarely())) {
    see(p, found, failure);
    if (failure == std::memory_order_seq_cst) enter_s(p, found, false);
    record(Event::not_exchanged, p.number, before, desired, failure, back, where);
    tick();
    expected = before;
    return false;
  }
  see(p, found, success);
  Store& s = append(p, desired, success, true, p.stores.size());
  if (success == std::memory_order_seq_cst) enter_s(p, s, true);
  fulfil_guess(p, s);
  me().fresh = false;
  record(Event::exchanged, p.number, before, desired, success, 0, where);
  tick();
  return true;
}

// ---- locks and plain memory ----

void Explorer::lock(void* address, const Where& where) {
  reschedule(where);
  Place* p = &place(address, sizeof(std::uint32_t), where);
  if (p->held) {
    block([](void* q) -> bool { return !static_cast<Place*>(q)->held; }, p, "a Lock", false, where);
    if (!p->alive) fail("destroyed while a thread waits for it", where);
  }
  p->held = true;
  p->holder = current_;
  me().clock.join(p->unlocked);
  record(Event::lock, p->number, 0, 1, std::memory_order_acquire, 0, where);
  tick();
}

bool Explorer::try_lock(void* address, const Where& where) {
  reschedule(where);
  Place& p = place(address, sizeof(std::uint32_t), where);
  if (p.held) {
    record(Event::other, p.number, 0, 0, std::memory_order_relaxed, 0, where, "finds the lock held");
    return false;
  }
  p.held = true;
  p.holder = current_;
  me().clock.join(p.unlocked);
  record(Event::lock, p.number, 0, 1, std::memory_order_acquire, 0, where);
  tick();
  return true;
}

void Explorer::unlock(void* address, const Where& where) {
  reschedule(where);
  Place& p = place(address, sizeof(std::uint32_t), where);
  if (!p.held) fail("unlock of a Lock that nobody holds", where);
  p.held = false;
  p.unlocked = me().clock;
  ++writes_;
  idle_pauses_ = 0;
  record(Event::unlock, p.number, 1, 0, std::memory_order_release, 0, where);
  tick();
}

void Explorer::var_access(engine::Race& race, bool write, const Where& where) {
  if (race.run != run_) {
    race = {};
    race.run = run_;
  }
  const auto against = [&](const Clock& last, const Where& at, const char* what) {
    for (int t = 0; t < thread_count_; ++t) {
      if (t == current_ || me().clock.covers(t, last.at[t])) continue;
      fail(std::string("data race: this ") + (write ? "set" : "get") + " and a " + what + " of T" + std::to_string(t) + " (last at " +
               at.file_name() + ":" + std::to_string(at.line()) + ")",
           where);
    }
  };
  against(race.written, race.written_at, "set");
  if (write) against(race.read, race.read_at, "get");
  (write ? race.written : race.read).at[current_] = now();
  (write ? race.written_at : race.read_at) = where;
  record(write ? Event::var_write : Event::var_read, 0, 0, 0, std::memory_order_relaxed, 0, where);
}

}  // namespace gmp::model
