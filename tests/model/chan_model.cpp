// tests/model/chan_model.cpp — models of chan/hchan.cpp, chan/claim.hpp and select/selection.cpp: a send, a receive, a select, a close, and a
// withdrawal meet: each value goes to one, or stays.
// Go: none.  Room: tests/model.
#include <gtest/gtest.h>

#include <cstdio>
#include <optional>
#include <utility>
#include <vector>

#include "gmp/chan.hpp"
#include "gmp/select.hpp"
#include "model/gs.hpp"
#include "model/model.hpp"

namespace gmp::model {
namespace {

using detail::HChan;
using detail::RecvCase;
using detail::RecvOp;
using detail::SendCase;
using detail::SendOp;

/// Carries, beside its number, a plain variable that its sender has written.
struct Letter {
  int number = 0;
  Var<int>* written = nullptr;
};

class Channel {
 public:
  explicit Channel(std::size_t capacity) : ref_(HChan::make(detail::element_of<Letter>, capacity)) {}
  HChan* hchan() const { return ref_.get(); }
  const detail::ChanRef& ref() const { return ref_; }
  bool try_send(Letter letter) const { return ref_.get()->try_send(&letter) == HChan::Outcome::done; }
  std::optional<Letter> try_recv() const {
    Letter letter;
    if (ref_.get()->try_recv(&letter) != HChan::Outcome::done) return std::nullopt;
    return letter;
  }

 private:
  detail::ChanRef ref_;
};

/// co_await, in a modelled g.
template <class Awaiter>
void await(Awaiter& awaiter, ModelG& g) {
  if (!awaiter.await_ready() && awaiter.suspend_in(&g.gp, g.leaf)) g.sleep();
}

/// What one g has received: the value, nothing (closed), or it has given up.
struct Received {
  std::optional<Letter> letter;
  bool withdrawn = false;
};

Received receive(ModelG& g, const Channel& ch) {
  RecvOp<Letter>::Awaiter awaiter(&g.gp, RecvOp<Letter>(ch.hchan()));
  if (awaiter.await_ready()) return {awaiter.await_resume(), false};
  if (awaiter.suspend_in(&g.gp, g.leaf)) g.sleep();
  if (awaiter.withdrawn()) return {std::nullopt, true};
  return {awaiter.await_resume(), false};
}
/// True: it went.
bool send(ModelG& g, const Channel& ch, Letter letter) {
  SendOp<Letter>::Awaiter awaiter(&g.gp, SendOp<Letter>(ch.hchan(), letter));
  if (awaiter.await_ready()) return true;
  if (awaiter.suspend_in(&g.gp, g.leaf)) g.sleep();
  if (awaiter.withdrawn()) return false;
  awaiter.await_resume();
  return true;
}

void read(const Received& received) {
  if (received.letter) check(received.letter->written->get() == received.letter->number, "a value came before what its sender wrote");
}

/// One receives, and gives up; one gives, if somebody takes.
void receiver_gives_up(model::Run& run) {
  reset_world();
  Channel ch(0);
  ModelG g;
  Var<int> written;
  Received received;
  bool went = false;
  run.thread([&] { read(received = receive(g, ch)); });
  run.thread([&] { g.cancel(); });
  run.thread([&] {
    written.set(1);
    went = ch.try_send({1, &written});
  });
  run.join();
  check(went == received.letter.has_value(), "a value is lost, or doubled");
  check(went != received.withdrawn, "neither, or both");
}

/// One sends, and gives up; one takes, if somebody gives. capacity 1: behind a value that is there already.
template <std::size_t capacity>
void sender_gives_up(model::Run& run) {
  reset_world();
  Channel ch(capacity);
  ModelG g;
  Var<int> first, second;
  if (capacity == 1) check(ch.try_send({0, &first}), "new");
  bool went = false;
  int taken = 0;
  run.thread([&] {
    second.set(1);
    went = send(g, ch, {1, &second});
  });
  run.thread([&] { g.cancel(); });
  run.thread([&] {
    for (int i = 0; i < 2; ++i) {
      if (auto letter = ch.try_recv()) {
        read({letter, false});
        taken += 1;
      }
    }
  });
  run.join();
  while (ch.try_recv()) ++taken;
  check(taken == static_cast<int>(went) + static_cast<int>(capacity), "a value is lost, or doubled");
}

/// A select over two channels; both are sent to, and it gives up: one of the three.
template <bool gives_up>
void select_of_two(model::Run& run) {
  reset_world();
  Channel a(0), b(0);
  ModelG g;
  Var<int> written[2];
  bool went[2] = {};
  std::optional<Letter> from_a, from_b;
  bool withdrawn = false;
  run.thread([&] {
    using Op = detail::SelectOp<RecvCase<Letter>, RecvCase<Letter>>;
    typename Op::Awaiter awaiter(&g.gp, Op({a.ref(), &from_a}, {b.ref(), &from_b}));
    await(awaiter, g);
    withdrawn = awaiter.withdrawn();
    const int index = withdrawn ? -1 : awaiter.await_resume();
    check(from_a.has_value() == (index == 0) && from_b.has_value() == (index == 1), "it says one, and did another");
    read({from_a, false});
    read({from_b, false});
  });
  run.thread([&] {
    written[0].set(1);
    went[0] = a.try_send({1, &written[0]});
  });
  run.thread([&] {
    written[1].set(2);
    went[1] = b.try_send({2, &written[1]});
    if (gives_up) return;
    while (!went[0] && !went[1] && !(went[1] = b.try_send({2, &written[1]}))) pause();  // somebody must
  });
  if (gives_up) run.thread([&] { g.cancel(); });
  run.join();
  check(went[0] == from_a.has_value() && went[1] == from_b.has_value(), "a value is lost, or doubled");
  check(withdrawn != (went[0] || went[1]) && !(went[0] && went[1]), "more than one, or none");
}

/// Two selects, each ready to send on one channel and to receive from the other: they meet on one of them.
void selects_meet(model::Run& run) {
  reset_world();
  Channel a(0), b(0);
  ModelG g[2];
  Var<int> written[2];
  int index[2] = {-1, -1};
  std::optional<Letter> got[2];
  for (int i = 0; i < 2; ++i) {
    run.thread([&, i] {
      written[i].set(i);
      Letter letter{i, &written[i]};
      using Op = detail::SelectOp<SendCase<Letter, Letter&>, RecvCase<Letter>>;
      typename Op::Awaiter awaiter(&g[i].gp, Op({(i == 0 ? a : b).ref(), letter}, {(i == 0 ? b : a).ref(), &got[i]}));
      await(awaiter, g[i]);
      index[i] = awaiter.await_resume();
      read({got[i], false});
    });
  }
  run.join();
  check(index[0] + index[1] == 1, "one must send what the other receives");
}

/// It is closed while one receives, one selects, and both may give up.
void closed_meanwhile(model::Run& run) {
  reset_world();
  Channel a(0), b(0);
  ModelG g[2];
  Var<int> written;
  Received received;
  int index = -1;
  run.thread([&] {
    received = receive(g[0], a);
    check(received.withdrawn || written.get() == 1, "the end came before what the closer wrote");
  });
  run.thread([&] {
    using Op = detail::SelectOp<RecvCase<Letter>, RecvCase<Letter>>;
    typename Op::Awaiter awaiter(&g[1].gp, Op({b.ref(), nullptr}, {a.ref(), nullptr}));
    await(awaiter, g[1]);
    if (!awaiter.withdrawn()) index = awaiter.await_resume();
  });
  run.thread([&] {
    written.set(1);
    a.hchan()->close();
  });
  run.thread([&] { g[run.choose(2)].cancel(); });
  run.join();
  check(!received.letter && index != 0, "something came");
}

/// Who sees that it is closed sees what happened before.
void closed_is_seen(model::Run& run) {
  reset_world();
  Channel ch(1);
  Var<int> written;
  run.thread([&] {
    written.set(1);
    ch.hchan()->close();
  });
  run.thread([&] {
    if (ch.hchan()->drained()) check(written.get() == 1, "the end came before what the closer wrote");
  });
  run.join();
}

/// The last handle destroys what lies in the channel, after all that was done by the others.
struct Witness {
  Var<int>* written = nullptr;
  Witness() = default;
  explicit Witness(Var<int>* both) : written(both) {}
  Witness(Witness&& other) noexcept : written(std::exchange(other.written, nullptr)) {}
  ~Witness() {
    if (written != nullptr) check(written[0].get() + written[1].get() == 2, "destroyed before a handle's owner was through");
  }
};
void last_handle(model::Run& run) {
  reset_world();
  Var<int> written[2];
  std::optional<detail::ChanRef> handles[2];
  handles[0].emplace(HChan::make(detail::element_of<Witness>, 1));
  handles[1] = handles[0];
  {
    Witness witness(written);
    check(handles[0]->get()->try_send(&witness) == HChan::Outcome::done, "new");
  }
  for (int i = 0; i < 2; ++i) {
    run.thread([&, i] {
      written[i].set(1);
      handles[i].reset();
    });
  }
  run.join();
}

const Options options{.schedules = 20'000, .future_reads = true};
const std::vector<Model> models{
    {"receiver gives up", options, receiver_gives_up},
    {"sender gives up", options, sender_gives_up<0>},
    {"sender gives up, buffered", options, sender_gives_up<1>},
    {"select of two", options, select_of_two<false>},
    {"select of two gives up", options, select_of_two<true>},
    {"selects meet", options, selects_meet},
    {"closed meanwhile", options, closed_meanwhile},
    {"closed is seen", options, closed_is_seen},
    {"last handle", options, last_handle},
};

TEST(ChanModel, EachValueGoesToOneOrStays) { explore_all(models); }

TEST(ChanModel, EveryOrderIsNeeded) {
  const auto all = mutants_of({"chan/claim.hpp", "chan/hchan.", "select/selection."}, models);
  std::printf("%s", describe(all).c_str());
  EXPECT_EQ("", unexcused(all, {}));
}

}  // namespace
}  // namespace gmp::model
