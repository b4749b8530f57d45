// tests/unit/wait/sema_test.cpp — the table of sleepers against a reference model, and permits between real threads.
// Go: sync/mutex_test.go (TestSemaphore) claims the last.  Room: wait (floor 3).
#include "gmp/detail/wait/sema.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "gmp/detail/base/random.hpp"
#include "support/scale.hpp"
#include "support/seed.hpp"
#include "unit/base/rbtree_verify.hpp"

namespace gmp::detail {

struct SemaRootVerifier {
  /// What is wrong with the root, in words. count: of all its waiters.
  static std::string verify(const SemaRoot& root, std::size_t* count) {
    *count = 0;
    const auto less = [](const SemaWaiter& a, const SemaWaiter& b) { return a.key_ < b.key_; };
    std::string wrong = RbVerifier::verify(root.tree_, less);
    if (!wrong.empty()) return wrong;
    const SemaWaiter* before = nullptr;
    for (const SemaWaiter* head = root.tree_.first(); head != nullptr; head = root.tree_.next(head)) {
      if (before != nullptr && before->key_ == head->key_) return "an address has two nodes";
      before = head;
      const Waiter* w = head;
      do {
        ++*count;
        const auto& sw = static_cast<const SemaWaiter&>(*w);
        if (sw.key_ != head->key_) return "a waiter stands behind another address";
        if (sw.RbNode::linked() != (w == head)) return "S2: in the tree iff first";
        if (w->next_->prev_ != w || w->prev_->next_ != w) return "a broken ring";
        w = w->next_;
      } while (w != head);
    }
    return "";
  }
};

}  // namespace gmp::detail

namespace gmp::detail::sema_test {
namespace {

using namespace std::chrono_literals;

/// A waiter of no thread: its parker remembers that it was woken.
struct Sleeper : SemaWaiter {
  Sleeper(Sema& sema, int id) : id_(id) {
    thread_ = &parker_;
    key_ = sema.key();
  }
  int id_;
  ThreadParker parker_;
};

bool yes(SemaWaiter&) noexcept { return true; }
bool no(SemaWaiter&) noexcept { return false; }

// Semas on few roots: neighbours of four bytes share one, and so do those 251 * 8 bytes apart.
class Semas {
 public:
  static constexpr int count = 48;
  Semas() {
    for (int i = 0; i < 24; ++i) {
      semas_.push_back(&all_[static_cast<std::size_t>(i)]);
      semas_.push_back(&all_[static_cast<std::size_t>(i % 6) + static_cast<std::size_t>(i / 6 + 1) * 251 * 2]);
    }
  }
  Sema& operator[](std::size_t i) { return *semas_[i]; }

 private:
  std::unique_ptr<Sema[]> all_ = std::make_unique<Sema[]>(251 * 12);
  std::vector<Sema*> semas_;
};

TEST(Sema, EveryStepLeavesWhatTheReferenceModelHas) {
  Random random(test::case_seed());
  Semas semas;
  struct Reference {
    std::uint32_t permits = 0;
    std::deque<int> queue;
  };
  std::map<std::size_t, Reference> reference;
  std::map<int, std::pair<std::size_t, std::unique_ptr<Sleeper>>> asleep;
  int next_id = 0;

  const std::int64_t steps = test::scaled(100'000, 2000);
  for (std::int64_t step = 0; step < steps; ++step) {
    const std::size_t which = random.below(Semas::count);
    Sema& sema = semas[which];
    Reference& expected = reference[which];
    const bool filling = (step >> 11) % 2 == 0;  // queues grow long, then go away again
    switch (random.below(filling ? 12 : 7)) {
      default: {  // acquire, at the end or in front, at times withdrawn before it came
        auto w = std::make_unique<Sleeper>(sema, next_id++);
        const bool in_front = random.below(4) == 0;
        w->give_up_.store(random.below(16) == 0, relaxed);
        const bool agrees = random.below(2) == 0;
        const bool through = sema.acquire_or_queue(*w, in_front, agrees ? &yes : &no);
        if (expected.permits > 0) {
          --expected.permits;
          ASSERT_TRUE(through && w->granted_ && !w->withdrawn_);
        } else if (gives_up(*w) && agrees) {
          ASSERT_TRUE(through && !w->granted_ && w->withdrawn_);
        } else {
          ASSERT_FALSE(through);
          if (in_front)
            expected.queue.push_front(w->id_);
          else
            expected.queue.push_back(w->id_);
          const int id = w->id_;
          asleep.emplace(id, std::pair(which, std::move(w)));
        }
        break;
      }
      case 0:
      case 1:
      case 2: {  // release
        const std::uint32_t n = 1 + random.below(3);
        const bool handoff = n == 1 && random.below(2) == 0;
        sema.release(n, handoff);
        for (std::uint32_t i = 0; i < n; ++i) {
          if (expected.queue.empty()) {
            ++expected.permits;
            continue;
          }
          const auto found = asleep.find(expected.queue.front());
          expected.queue.pop_front();
          Sleeper& w = *found->second.second;
          ASSERT_TRUE(w.granted_) << "not the one who waited longest";
          ASSERT_FALSE(w.next_ != nullptr || w.RbNode::linked());
          w.parker_.park();  // returns at once, or never
          asleep.erase(found);
        }
        break;
      }
      case 3: {  // somebody withdraws, wherever he stands
        if (asleep.empty()) break;
        auto found = asleep.lower_bound(static_cast<int>(random.below(static_cast<std::uint32_t>(next_id))));
        if (found == asleep.end()) found = asleep.begin();
        Sleeper& w = *found->second.second;
        if (random.below(3) == 0) {
          ASSERT_FALSE(Sema::withdraw(w, &no));
          ASSERT_TRUE(gives_up(w) && !w.withdrawn_ && w.next_ != nullptr);
          break;
        }
        ASSERT_TRUE(Sema::withdraw(w, &yes));
        ASSERT_TRUE(w.withdrawn_);
        ASSERT_FALSE(Sema::withdraw(w, &yes)) << "twice";
        std::deque<int>& queue = reference[found->second.first].queue;
        queue.erase(std::find(queue.begin(), queue.end(), w.id_));
        asleep.erase(found);
        break;
      }
    }
    ASSERT_EQ(sema.kept(), expected.permits);
    if (step % 64 == 0) {
      std::set<const SemaRoot*> roots;
      std::size_t total = 0;
      for (std::size_t i = 0; i < Semas::count; ++i) {
        SemaRoot& root = SemaRoot::of(semas[i].key());
        if (!roots.insert(&root).second) continue;
        std::size_t here = 0;
        ASSERT_EQ(SemaRootVerifier::verify(root, &here), "");
        total += here;
      }
      ASSERT_EQ(total, asleep.size());
      for (std::size_t i = 0; i < Semas::count; ++i) {
        const SemaWaiter* first = SemaRoot::of(semas[i].key()).first(semas[i].key());
        const Waiter* w = first;
        for (const int id : reference[i].queue) {
          ASSERT_NE(w, nullptr);
          ASSERT_EQ(static_cast<const Sleeper*>(w)->id_, id);
          w = w->next_;
        }
        ASSERT_EQ(w, first) << "more waiters than expected";
      }
    }
  }
  for (std::size_t i = 0; i < Semas::count; ++i) semas[i].release(static_cast<std::uint32_t>(asleep.size()) + 1);
  for (auto& [id, w] : asleep) w.second->parker_.park();
}

TEST(Sema, FirstInFrontTakesTheTreeNodeAndKeepsTheOthers) {
  Sema sema;
  Sleeper a(sema, 0), b(sema, 1), late(sema, 2);
  ASSERT_FALSE(sema.acquire_or_queue(a, false, &yes));
  ASSERT_FALSE(sema.acquire_or_queue(b, false, &yes));
  ASSERT_FALSE(sema.acquire_or_queue(late, true, &yes));
  for (Sleeper* w : {&late, &a, &b}) {
    sema.release();
    EXPECT_TRUE(w->granted_);
  }
}

TEST(Sema, PermitThatComesFirstIsKept) {
  Sema sema;
  sema.release(2);
  Sleeper a(sema, 0), b(sema, 1), c(sema, 2);
  EXPECT_TRUE(sema.acquire_or_queue(a, false, &yes));
  EXPECT_TRUE(sema.acquire_or_queue(b, false, &yes));
  EXPECT_FALSE(sema.acquire_or_queue(c, false, &yes));
  EXPECT_TRUE(Sema::withdraw(c, &yes));
  EXPECT_EQ(sema.kept(), 0u);
}

TEST(Sema, ThreadsNeverLoseAPermit) {
  constexpr int threads = 10, permits = 3;
  const std::int64_t rounds = test::scaled(2000, 200);
  auto sema = std::make_unique<Sema>();
  sema->release(permits);
  std::atomic<int> inside{0}, most{0};
  std::vector<std::thread> all;
  for (int t = 0; t < threads; ++t) {
    all.emplace_back([&] {
      for (std::int64_t i = 0; i < rounds; ++i) {
        Sleeper w(*sema, 0);
        if (!sema->acquire_or_queue(w, false, &yes)) w.parker_.park();
        EXPECT_TRUE(w.granted_);
        const int now = ++inside;
        for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
        }
        if (i % 8 == 0) std::this_thread::yield();
        --inside;
        sema->release();
      }
    });
  }
  for (auto& t : all) t.join();
  EXPECT_EQ(sema->kept(), static_cast<std::uint32_t>(permits));
  EXPECT_LE(most, permits);
}

TEST(Sema, WithdrawnOrGrantedNeverBothNeverNeither) {
  const std::int64_t rounds = test::scaled(20'000, 1000);
  Sema sema;
  constexpr int over = -1;
  std::atomic<int> turn{0};
  const auto enough = std::chrono::steady_clock::now() + 5s;  // where others want the CPUs too, each has to wait for its turn each time
  // One releases, one withdraws the same waiter, at the same time; what is left over says who was first.
  std::thread releaser([&] {
    for (std::int64_t i = 0; i < rounds; ++i) {
      while (turn.load() != 2 * i + 1) {
        if (turn.load() == over) return;
        std::this_thread::yield();
      }
      sema.release();
      turn.store(static_cast<int>(2 * i + 2));
    }
  });
  std::int64_t withdrawn = 0;
  for (std::int64_t i = 0; i < rounds && std::chrono::steady_clock::now() < enough; ++i) {
    Sleeper w(sema, 0);
    ASSERT_FALSE(sema.acquire_or_queue(w, false, &yes));
    turn.store(static_cast<int>(2 * i + 1));
    if (i % 2 == 1) std::this_thread::yield();
    const bool out = Sema::withdraw(w, &yes);
    while (turn.load() != 2 * i + 2) std::this_thread::yield();
    ASSERT_NE(out, w.granted_);
    ASSERT_EQ(sema.kept(), out ? 1u : 0u);
    if (!out) {
      w.parker_.park();
      continue;
    }
    ++withdrawn;
    Sleeper drain(sema, 1);
    ASSERT_TRUE(sema.acquire_or_queue(drain, false, &yes));
  }
  turn.store(over);
  releaser.join();
  RecordProperty("withdrawn", static_cast<int>(withdrawn));
}

}  // namespace
}  // namespace gmp::detail::sema_test
