// tests/model/checker_test.cpp — the tester is tested: what C++ allows must be seen, what it forbids must not, and each failure is found.
// Go: none.  Room: tests/model.
#include <gtest/gtest.h>

#include <string>
#include <tuple>

#include "gmp/detail/base/assert.hpp"
#include "gmp/detail/base/atomic.hpp"
#include "gmp/detail/sys/futex.hpp"
#include "gmp/detail/sys/lock.hpp"
#include "model/checker_subject.hpp"
#include "model/model.hpp"

namespace gmp::model {
namespace {

using detail::acq_rel;
using detail::acquire;
using detail::Atomic;
using detail::relaxed;
using detail::release;
using detail::seq_cst;
using Order = std::memory_order;

/// Whether some run of the litmus test, which returns what its threads read, ends like this.
template <class Test>
bool shows(int outcome, Test test, Options options = {}) {
  bool shown = false;
  const Result result = explore(options, [&](model::Run& run) {
    if (test(run) == outcome) shown = true;
  });
  EXPECT_EQ("", result.failure);
  return shown;
}

/// How the exploration fails: the first line of its report.
std::string failure(const std::function<void(Run&)>& body, Options options = {}) {
  const std::string text = explore(options, body).failure;
  return text.substr(0, text.find('\n'));
}

bool mentions(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

// ---- litmus tests ----

/// Two threads store to a place of their own and read the other's: 0 is "neither saw the other".
auto store_buffering(Order store, Order load) {
  return [=](model::Run& run) {
    Atomic<int> x{0}, y{0};
    int a = 0, b = 0;
    run.thread([&] { x.store(1, store), a = y.load(load); });
    run.thread([&] { y.store(1, store), b = x.load(load); });
    run.join();
    return a + b;
  };
}

TEST(Checker, StoreBufferingIsSeenUnlessBothSidesAreSeqCst) {
  EXPECT_TRUE(shows(0, store_buffering(relaxed, relaxed)));
  EXPECT_TRUE(shows(0, store_buffering(release, acquire)));
  EXPECT_TRUE(shows(0, store_buffering(seq_cst, acquire)));
  EXPECT_TRUE(shows(0, store_buffering(release, seq_cst)));
  EXPECT_FALSE(shows(0, store_buffering(seq_cst, seq_cst)));
  for (int outcome : {1, 2}) EXPECT_TRUE(shows(outcome, store_buffering(seq_cst, seq_cst)));
}

TEST(Checker, AnRmwIsABarrierForSeqCstLoadsOnly) {
  const auto test = [](Order rmw, Order load) {
    return [=](model::Run& run) {
      Atomic<int> x{0}, y{0};
      int a = 0, b = 0;
      run.thread([&] { x.exchange(1, rmw), a = y.load(load); });
      run.thread([&] { y.exchange(1, rmw), b = x.load(load); });
      run.join();
      return a + b;
    };
  };
  EXPECT_FALSE(shows(0, test(seq_cst, seq_cst)));
  EXPECT_TRUE(shows(0, test(seq_cst, acquire)));
  EXPECT_TRUE(shows(0, test(acq_rel, seq_cst)));
}

TEST(Checker, RmwsOnOnePlaceMakeABarrierOfAnyTwoOthers) {
  EXPECT_FALSE(shows(0, [](model::Run& run) {
    Atomic<int> x{0}, y{0}, between{0};
    int a = 0, b = 0;
    run.thread([&] { x.store(1, relaxed), between.fetch_add(0, acq_rel), a = y.load(relaxed); });
    run.thread([&] { y.store(1, relaxed), between.fetch_add(0, acq_rel), b = x.load(relaxed); });
    run.join();
    return a + b;
  }));
}

/// 1: the flag was seen and the data was not.
auto message_passing(Order store, Order load) {
  return [=](model::Run& run) {
    Atomic<int> data{0}, flag{0};
    int stale = 0;
    run.thread([&] { data.store(1, relaxed), flag.store(1, store); });
    run.thread([&] { stale = flag.load(load) == 1 && data.load(relaxed) == 0; });
    run.join();
    return stale;
  };
}

TEST(Checker, MessagePassingNeedsReleaseAndAcquire) {
  EXPECT_FALSE(shows(1, message_passing(release, acquire)));
  EXPECT_FALSE(shows(1, message_passing(seq_cst, seq_cst)));
  EXPECT_TRUE(shows(1, message_passing(relaxed, acquire)));
  EXPECT_TRUE(shows(1, message_passing(release, relaxed)));
}

/// Both threads read what the other stores after its load.
auto load_buffering(Order load, Order store) {
  return [=](model::Run& run) {
    Atomic<int> x{0}, y{0};
    int a = 0, b = 0;
    run.thread([&] { a = x.load(load), y.store(1, store); });
    run.thread([&] { b = y.load(relaxed), x.store(1, relaxed); });
    run.join();
    return a + b;
  };
}

TEST(Checker, LoadBufferingIsSeenWithFutureReads) {
  const Options future{.future_reads = true};
  EXPECT_TRUE(shows(2, load_buffering(relaxed, relaxed), future));
  EXPECT_FALSE(shows(2, load_buffering(relaxed, relaxed)));
}

TEST(Checker, ReleaseAfterALoadOrAcquireStopsLoadBuffering) {
  const auto test = [](Order store, Order load) {
    return [=](model::Run& run) {
      Atomic<int> x{0}, y{0};
      int a = 0, b = 0;
      run.thread([&] { a = x.load(relaxed), y.store(1, store); });
      run.thread([&] {
        b = y.load(load);
        if (b == 1) x.store(1, relaxed);
      });
      run.join();
      return a + b;
    };
  };
  const Options future{.future_reads = true};
  EXPECT_FALSE(shows(2, test(release, acquire), future));
}

TEST(Checker, NoValueComesOutOfThinAir) {
  EXPECT_FALSE(shows(2,
                     [](model::Run& run) {
                       Atomic<int> x{0}, y{0};
                       run.thread([&] { y.store(x.load(relaxed), relaxed); });
                       run.thread([&] { x.store(y.load(relaxed), relaxed); });
                       run.join();
                       return x.load(relaxed) + y.load(relaxed);
                     },
                     {.future_reads = true}));
}

TEST(Checker, OnePlaceIsCoherent) {
  // Two readers of one place never disagree about the order of two stores, nor does one go back.
  const Result result = explore({}, [](model::Run& run) {
    Atomic<int> x{0};
    int first[2] = {}, second[2] = {};
    run.thread([&] { x.store(1, relaxed); });
    run.thread([&] { x.store(2, relaxed); });
    for (int i = 0; i < 2; ++i) {
      run.thread([&, i] { first[i] = x.load(relaxed), second[i] = x.load(relaxed); });
    }
    run.join();
    for (int i = 0; i < 2; ++i) check(first[i] == 0 || second[i] != 0, "a reader went back");
    check(!(first[0] == 1 && second[0] == 2 && first[1] == 2 && second[1] == 1), "the readers disagree");
    const int last = x.load(relaxed);
    for (int i = 0; i < 2; ++i) check(first[i] == 0 || first[i] == second[i] || second[i] == last, "a third value is last");
  });
  EXPECT_EQ("", result.failure);
}

TEST(Checker, IndependentReadsOfIndependentWritesNeedSeqCst) {
  const auto test = [](Order store, Order load) {
    return [=](model::Run& run) {
      Atomic<int> x{0}, y{0};
      int a = 0, b = 0;
      run.thread([&] { x.store(1, store); });
      run.thread([&] { y.store(1, store); });
      run.thread([&] { a = x.load(load) == 1 && y.load(load) == 0; });
      run.thread([&] { b = y.load(load) == 1 && x.load(load) == 0; });
      run.join();
      return a + b;
    };
  };
  EXPECT_TRUE(shows(2, test(release, acquire)));
  EXPECT_FALSE(shows(2, test(seq_cst, seq_cst)));
}

TEST(Checker, TwoPlacesMayBeWrittenInOppositeOrdersUnlessSeqCst) {
  const auto test = [](Order order) {
    return [=](model::Run& run) {
      Atomic<int> x{0}, y{0};
      run.thread([&] { x.store(1, order), y.store(2, order); });
      run.thread([&] { y.store(1, order), x.store(2, order); });
      run.join();
      return x.load(relaxed) * 10 + y.load(relaxed);
    };
  };
  EXPECT_TRUE(shows(11, test(relaxed)));
  EXPECT_FALSE(shows(11, test(seq_cst)));
}

TEST(Checker, ASeqCstStoreMayComeLateButNotAfterARelease) {
  // AArch64: a later plain store passes an STLR; what is read through it is not ordered with the seq_cst store.
  const auto test = [](Order second) {
    return [=](model::Run& run) {
      Atomic<int> x{0}, y{0};
      int stale = 0;
      run.thread([&] { x.store(1, seq_cst), y.store(1, second); });
      run.thread([&] { stale = y.load(seq_cst) == 1 && x.load(seq_cst) == 0; });
      run.join();
      return stale;
    };
  };
  EXPECT_TRUE(shows(1, test(relaxed)));
  EXPECT_FALSE(shows(1, test(release)));
  EXPECT_FALSE(shows(1, test(seq_cst)));
}

TEST(Checker, HappensBeforeIsTransitive) {
  EXPECT_FALSE(shows(1, [](model::Run& run) {
    Atomic<int> x{0}, y{0}, z{0};
    int stale = 0;
    run.thread([&] { x.store(1, relaxed), y.store(1, release); });
    run.thread([&] {
      if (y.load(acquire) == 1) z.store(1, release);
    });
    run.thread([&] { stale = z.load(acquire) == 1 && x.load(relaxed) == 0; });
    run.join();
    return stale;
  }));
}

TEST(Checker, RmwsContinueAReleaseSequenceAndStoresBreakIt) {
  const auto test = [](bool rmw) {
    return [=](model::Run& run) {
      Atomic<int> x{0}, y{0};
      int stale = 0;
      run.thread([&] { x.store(1, relaxed), y.store(1, release); });
      run.thread([&] {
        if (y.load(relaxed) != 1) return;
        if (rmw) {
          y.fetch_add(1, relaxed);
        } else {
          y.store(2, relaxed);
        }
      });
      run.thread([&] { stale = y.load(acquire) == 2 && x.load(relaxed) == 0; });
      run.join();
      return stale;
    };
  };
  EXPECT_FALSE(shows(1, test(true)));
  EXPECT_TRUE(shows(1, test(false)));
}

TEST(Checker, AHeavyBarrierMakesPlainAccessesOfOthersOrdered) {
  const auto test = [](bool barrier) {
    return [=](model::Run& run) {
      Atomic<int> in{0}, claim{0};
      int a = 0, b = 0;
      run.thread([&] { in.store(1, relaxed), a = claim.load(acquire); });
      run.thread([&] {
        claim.exchange(1, acq_rel);
        if (barrier) heavy_barrier();
        b = in.load(acquire);
      });
      run.join();
      return a + b;
    };
  };
  EXPECT_TRUE(shows(0, test(false)));
  EXPECT_FALSE(shows(0, test(true)));
}

TEST(Checker, AWeakCompareExchangeMayFailForNoReason) {
  const auto test = [](bool weak) {
    return [=](model::Run&) {
      Atomic<int> x{0};
      int expected = 0;
      return weak ? x.compare_exchange_weak(expected, 1, relaxed, relaxed) : x.compare_exchange_strong(expected, 1, relaxed, relaxed);
    };
  };
  EXPECT_TRUE(shows(0, test(true)));
  EXPECT_TRUE(shows(1, test(true)));
  EXPECT_FALSE(shows(0, test(false)));
}

TEST(Checker, OperationsComputeInTheirType) {
  const Result result = explore({.schedules = 1}, [](model::Run&) {
    Atomic<std::uint8_t> small{250};
    check(small.fetch_add(10, relaxed) == 250 && small.load(relaxed) == 4, "add wraps");
    check(small.fetch_sub(5, relaxed) == 4 && small.load(relaxed) == 255, "sub wraps");
    Atomic<std::int32_t> negative{-1};
    check(negative.fetch_add(-1, relaxed) == -1 && negative.load(relaxed) == -2, "signed");
    check(negative.fetch_and(0xf, relaxed) == -2 && negative.fetch_or(1, relaxed) == 14 && negative.load(relaxed) == 15, "bits");
    std::int32_t expected = 3;
    check(!negative.compare_exchange_strong(expected, 1, relaxed, relaxed) && expected == 15, "compare gives what it found");
    int target = 0;
    Atomic<int*> pointer{nullptr};
    check(pointer.exchange(&target, relaxed) == nullptr && pointer.load(relaxed) == &target, "pointers");
  });
  EXPECT_EQ("", result.failure);
}

// ---- what must be found ----

TEST(Checker, FindsALostUpdate) {
  const auto test = [](bool rmw) {
    return [=](model::Run& run) {
      Atomic<int> count{0};
      for (int i = 0; i < 2; ++i) {
        run.thread([&] {
          if (rmw) {
            count.fetch_add(1, relaxed);
          } else {
            count.store(count.load(relaxed) + 1, relaxed);
          }
        });
      }
      run.join();
      check(count.load(relaxed) == 2, "lost update");
    };
  };
  EXPECT_TRUE(mentions(failure(test(false)), "lost update"));
  EXPECT_EQ("", failure(test(true)));
}

TEST(Checker, FindsARaceOnPlainMemory) {
  const auto test = [](Order store, Order load) {
    return [=](model::Run& run) {
      Var<int> data;
      Atomic<bool> flag{false};
      run.thread([&] { data.set(1), flag.store(true, store); });
      run.thread([&] {
        if (flag.load(load)) data.get();
      });
      run.join();
      data.set(2);
    };
  };
  EXPECT_EQ("", failure(test(release, acquire)));
  EXPECT_TRUE(mentions(failure(test(relaxed, acquire)), "data race"));
  EXPECT_TRUE(mentions(failure(test(release, relaxed)), "data race"));
}

TEST(Checker, FindsARaceBetweenAReadAndALaterWrite) {
  // The reader gives the data back by an order that is too weak.
  const auto test = [](Order order) {
    return [=](model::Run& run) {
      Var<int> data;
      Atomic<bool> read{false};
      run.thread([&] { data.get(), read.store(true, order); });
      run.thread([&] {
        if (read.load(acquire)) data.set(1);
      });
      run.join();
    };
  };
  EXPECT_EQ("", failure(test(release)));
  EXPECT_TRUE(mentions(failure(test(relaxed)), "data race"));
}

/// A spin lock of the simplest kind around a counter.
auto spin_lock(Order acquiring, Order releasing) {
  return [=](model::Run& run) {
    Atomic<bool> held{false};
    Var<int> count(0);
    for (int i = 0; i < 3; ++i) {
      run.thread([&] {
        while (held.exchange(true, acquiring)) detail::cpu_pause();
        count.set(count.get() + 1);
        held.store(false, releasing);
      });
    }
    run.join();
    check(count.get() == 3, "lost update");
  };
}

TEST(Checker, ASpinLockHoldsIfItsOrdersDo) {
  EXPECT_EQ("", failure(spin_lock(acquire, release)));
  EXPECT_TRUE(mentions(failure(spin_lock(relaxed, release)), "data race"));
  EXPECT_TRUE(mentions(failure(spin_lock(acquire, relaxed)), "data race"));
}

TEST(Checker, ALockOrdersWhatItGuards) {
  EXPECT_EQ("", failure([](model::Run& run) {
              detail::Lock lock;
              Var<int> count(0);
              for (int i = 0; i < 3; ++i) {
                run.thread([&] {
                  detail::LockGuard guard(lock);
                  count.set(count.get() + 1);
                });
              }
              run.join();
              check(count.get() == 3, "lost update");
            }));
  EXPECT_TRUE(mentions(failure([](model::Run&) {
                         detail::Lock lock;
                         lock.unlock();
                       }),
                       "nobody holds"));
}

TEST(Checker, FindsADeadlockOfTwoLocks) {
  const std::string text = failure([](model::Run& run) {
    detail::Lock a, b;
    run.thread([&] {
      detail::LockGuard first(a);
      detail::LockGuard second(b);
    });
    run.thread([&] {
      detail::LockGuard first(b);
      detail::LockGuard second(a);
    });
    run.join();
  });
  EXPECT_TRUE(mentions(text, "deadlock")) << text;
  EXPECT_TRUE(mentions(text, "T1 on a Lock, T2 on a Lock")) << text;
}

/// A sleeper that is to be woken; `compare` is what it tells the kernel that it saw.
auto sleeper(bool compare_first_look, Order order) {
  return [=](model::Run& run) {
    Atomic<std::uint32_t> state{0};  // 0 nothing, 1 somebody sleeps, 2 go on
    run.thread([&] {
      std::uint32_t seen = 0;
      if (!state.compare_exchange_strong(seen, 1, order, relaxed)) return;
      while (state.load(relaxed) != 2) detail::futex_wait(&state, compare_first_look ? 1 : state.load(relaxed));
    });
    run.thread([&] {
      if (state.exchange(2, order) == 1) detail::futex_wake(&state, 1);
    });
    run.join();
  };
}

TEST(Checker, FindsALostWakeUp) {
  EXPECT_EQ("", failure(sleeper(true, relaxed)));
  const std::string text = failure(sleeper(false, relaxed));
  EXPECT_TRUE(mentions(text, "deadlock")) << text;
  EXPECT_TRUE(mentions(text, "T1 on a futex")) << text;
}

TEST(Checker, AFutexWithATimeoutGivesUpWhenNobodyElseCanGoOn) {
  EXPECT_EQ("", failure([](model::Run& run) {
              Atomic<std::uint32_t> word{0};
              run.thread([&] { detail::futex_wait(&word, 0, 1000); });
              run.join();
            }));
}

TEST(Checker, FindsAThreadThatSpinsForEver) {
  EXPECT_TRUE(mentions(failure([](model::Run& run) {
                         Atomic<bool> flag{false};
                         run.thread([&] {
                           while (!flag.load(acquire)) detail::cpu_pause();
                         });
                         run.join();
                       }),
                       "livelock"));
  EXPECT_TRUE(mentions(failure([](model::Run& run) {
                         Atomic<bool> flag{false};
                         run.thread([&] {
                           while (!flag.load(acquire)) {
                           }
                         });
                         run.join();
                       }),
                       "livelock"));
}

TEST(Checker, ASpinnerSeesWhatWasStoredInTheEnd) {
  EXPECT_EQ("", failure([](model::Run& run) {
              Atomic<bool> a{false}, b{false};
              run.thread([&] {
                while (!a.load(relaxed)) detail::cpu_pause();
                b.store(true, relaxed);
              });
              run.thread([&] {
                a.store(true, relaxed);
                while (!b.load(relaxed)) {  // without a pause
                }
              });
              run.join();
            }));
}

TEST(Checker, FindsUseAfterDestruction) {
  EXPECT_TRUE(mentions(failure([](model::Run& run) {
                         struct Node {
                           Atomic<int> value{0};
                         };
                         Atomic<Node*> shared{new Node};
                         run.thread([&] {
                           if (Node* node = shared.load(acquire)) node->value.load(relaxed);
                         });
                         run.thread([&] { delete shared.exchange(nullptr, acq_rel); });
                         run.join();
                       }),
                       "after its destruction"));
}

TEST(Checker, FindsAnObjectThatIsPublishedTooWeakly) {
  const auto test = [](Order order) {
    return [=](model::Run& run) {
      struct Node {
        Atomic<int> value{7};
      };
      Atomic<Node*> shared{nullptr};
      run.thread([&] { shared.store(new Node, order); });
      run.thread([&] {
        if (Node* node = shared.load(acquire)) check(node->value.load(relaxed) == 7, "not constructed");
      });
      run.join();
    };
  };
  EXPECT_EQ("", failure(test(release)));
  EXPECT_TRUE(mentions(failure(test(relaxed)), "construction does not happen before"));
}

#if !GMPCORO_TSAN  // whose operator new cannot be overridden
TEST(Checker, FindsWhatIsFreedTwice) {
  EXPECT_TRUE(mentions(failure([](model::Run&) {
                         int* p = new int(1);
                         int* volatile again = p;
                         delete p;
                         delete again;
                       }),
                       "freed twice"));
}
#endif

TEST(Checker, AssertionsAndMisuseOfProductionCodeFailTheRun) {
  EXPECT_TRUE(mentions(failure([](model::Run& run) {
                         run.thread([] { GMPCORO_ASSERT(self() == 0); });
                         run.join();
                       }),
                       "assertion failed: self() == 0"));
  EXPECT_TRUE(mentions(failure([](model::Run&) { detail::fatal("no way"); }), "fatal error: no way"));
  EXPECT_TRUE(mentions(failure([](model::Run&) { detail::misuse("no way"); }), "misuse: no way"));
}

TEST(Checker, AMemoryFaultFailsTheRun) {
  EXPECT_EQ("memory fault", failure([](model::Run& run) {
              run.thread([] {
                volatile int* volatile nowhere = nullptr;
                *nowhere = 1;
              });
              run.join();
            }));
  EXPECT_EQ("", failure([](model::Run&) {})) << "and the next exploration is not disturbed";
}

TEST(Checker, ABodyMustJoinItsThreads) {
  EXPECT_TRUE(mentions(failure([](model::Run& run) { run.thread([] {}); }), "before run.join()"));
}

// ---- runs ----

std::string lost_update(std::uint64_t seed, Result& result) {
  result = explore({.seed = seed}, [](model::Run& run) {
    Atomic<int> count{0};
    for (int i = 0; i < 3; ++i) {
      run.thread([&] {
        for (int j = 0; j < 3; ++j) count.fetch_add(1, relaxed);
        if (count.load(relaxed) == 7) count.store(count.load(relaxed) + 1, relaxed);
      });
    }
    run.join();
    check(count.load(relaxed) >= 9, "lost update");
  });
  return result.failure;
}

TEST(Checker, ASeedMeansTheSameRuns) {
  Result a, b, c;
  EXPECT_EQ(lost_update(5, a), lost_update(5, b));
  EXPECT_EQ(a.hash, b.hash);
  EXPECT_EQ(a.schedules, b.schedules);
  EXPECT_EQ(a.steps, b.steps);
  lost_update(6, c);
  if (std::getenv("GMPSEED") == nullptr) {
    EXPECT_NE(a.hash, c.hash);
  }
}

TEST(Checker, AReportNamesPlaceStrategyAndSeed) {
  Result result;
  const std::string text = lost_update(1, result);
  for (const char* part : {"lost update", "checker_test.cpp:", "strategy=", "GMPSEED=", "fetch_add(1, relaxed)"}) {
    EXPECT_TRUE(mentions(text, part)) << part << " is missing in\n" << text;
  }
}

TEST(Checker, StaticAtomicsAreAsNewInEachRun) {
  static Atomic<int> count{3};
  EXPECT_EQ("", failure([](model::Run& run) {
              run.thread([] { count.fetch_add(1, relaxed); });
              run.join();
              check(count.load(relaxed) == 4, "left over from the last run");
            }));
  EXPECT_EQ(3, count.load(relaxed));
}

TEST(Checker, SmallModelsAreExhausted) {
  const Result result = explore({}, [](model::Run& run) {
    Atomic<int> x{0};
    run.thread([&] { x.store(1, relaxed); });
    run.thread([&] { x.load(relaxed); });
    run.join();
  });
  EXPECT_TRUE(result.exhausted);
}

// ---- mutation ----

TEST(Checker, TheMutationCheckTellsNeededOrdersFromOthers) {
  const std::vector<Model> models{{"mailbox", {.schedules = 1000}, [](model::Run& run) {
                                     Mailbox box;
                                     run.thread([&] { box.put(1); });
                                     run.thread([&] {
                                       int value = 0;
                                       if (box.get(value)) check(value == 1, "wrong value");
                                     });
                                     run.join();
                                   }}};
  const std::vector<Mutant> found = mutants("checker_subject.hpp", models);
  std::string survivors, killed;
  for (const Mutant& m : found) (m.killed_by.empty() ? survivors : killed) += m.weakened + "; ";
  EXPECT_EQ("release -> relaxed; acquire -> relaxed; ", killed);
  EXPECT_EQ("acq_rel -> acquire; acq_rel -> release; acquire -> relaxed; release -> relaxed; never reached; ", survivors);

  EXPECT_TRUE(mentions(unexcused(found, {}), "survived"));
  EXPECT_TRUE(mentions(unexcused(found, {{"taken_.fetch_add", "", "a counter"}}), "never reached"));
  const std::vector<Excuse> all{{"taken_.fetch_add", "", "a counter"}, {"bool full()", "never reached", "for people"}};
  EXPECT_EQ("", unexcused(found, all));
  std::vector<Excuse> more = all;
  more.push_back({"full_.store", "release", "nobody knows"});
  EXPECT_TRUE(mentions(unexcused(found, more), "not needed"));
}

TEST(Checker, TheMutationCheckNeedsModelsThatPass) {
  const std::vector<Model> models{{"broken", {.schedules = 10}, [](model::Run&) { check(false, "broken"); }}};
  EXPECT_TRUE(mentions(unexcused(mutants("checker_subject.hpp", models), {}), "\"broken\" fails"));
}

}  // namespace
}  // namespace gmp::model
