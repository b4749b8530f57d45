// tests/model/context_model.cpp — models of context/node.cpp: contexts are cancelled from several sides, while others come, follow, leave and go.
// Go: none.  Room: tests/model.
//
// Whoever cancels looks around at once (look): all below have ended, with their channels, and who follows has been told, whoever did that.
#include <gtest/gtest.h>

#include <cstdio>
#include <memory>
#include <vector>

#include "gmp/detail/context/node.hpp"
#include "model/executor.hpp"
#include "model/gs.hpp"
#include "model/model.hpp"

namespace gmp::model {
namespace {

using detail::CancelNode;
using detail::ContextNode;
using detail::Follower;

/// A context, and what its handles do with it: who destroys it has seen all that was done.
class Node final : public CancelNode {
 public:
  static Node* make(ContextNode& parent = background()) {
    auto* node = new Node(parent);
    node->attach();
    return node;
  }
  void use() { used_.set(used_.get() + 1); }  // by one that no other one can be beside
  void cancel_and_look();
  std::vector<Node*> below_;  // set before the threads start

 private:
  explicit Node(ContextNode& parent) : CancelNode(&parent, detail::never) {}
  ~Node() { used_.set(0); }
  void destroy() noexcept override { delete this; }
  Var<int> used_{0};
};

void Node::cancel_and_look() {
  cancel(errc::canceled, nullptr);
  check(code() != 0, "not cancelled by cancel()");
  for (Node* node : below_) check(node->code() != 0, "cancel() returned, and one below has not ended");
}

/// Somebody who waits: told once, or gone.
struct Ear : Follower {
  Ear() : Follower(ops) {}
  static bool take(Follower& f) noexcept {
    auto& self = static_cast<Ear&>(f);
    self.taken.store(1, detail::relaxed);  // as a hold: it stays until it is told
    return true;
  }
  static void tell(Follower& f) noexcept {
    auto& self = static_cast<Ear&>(f);
    self.told.set(self.told.get() + 1);
    self.let_go.store(1, detail::release);
  }
  static constexpr Ops ops{&take, &tell, nullptr, true};
  /// Follows it no more. True: and was told.
  bool leave(CancelNode& node) {
    if (node.unfollow(*this)) return false;
    while (let_go.load(detail::acquire) == 0) detail::cpu_pause();
    return true;
  }
  Var<int> told{0};
  detail::Atomic<int> taken{0}, let_go{0};
};

void follow(CancelNode& node, Ear& ear) { check(node.follow(ear), "it has ended already"); }

/// Two cancel the same one: with two children, one of them a parent, and with followers on each level.
void two_cancel(model::Run& run) {
  reset_world();
  auto* root = Node::make();
  auto *left = Node::make(*root), *right = Node::make(*root), *leaf = Node::make(*right);
  root->below_ = {left, right, leaf};
  Ear at_root, at_leaf;
  follow(*root, at_root);
  follow(*leaf, at_leaf);
  for (int i = 0; i < 2; ++i) {
    run.thread([&] {
      root->cancel_and_look();
      check(at_root.told.get() == 1 && at_leaf.told.get() == 1, "cancel() returned before all were told");
    });
  }
  run.join();
  for (Node* node : {leaf, right, left, root}) node->unref();
}

/// One cancels the root, one a branch of it, one the leaf of that.
void each_level_is_cancelled(model::Run& run) {
  reset_world();
  auto* root = Node::make();
  auto* branch = Node::make(*root);
  auto* leaf = Node::make(*branch);
  root->below_ = {branch, leaf};
  branch->below_ = {leaf};
  Ear ear;
  follow(*leaf, ear);
  for (Node* node : {root, branch, leaf}) {
    run.thread([&ear, node] {
      node->cancel_and_look();
      check(ear.told.get() == 1, "cancel() returned before all were told");
    });
  }
  run.join();
  for (Node* node : {leaf, branch, root}) node->unref();
}

/// Two cancel, and a follower leaves: told or not, it is left alone after that.
void one_leaves(model::Run& run) {
  reset_world();
  auto* root = Node::make();
  auto* child = Node::make(*root);
  root->below_ = {child};
  auto ear = std::make_unique<Ear>();
  follow(*child, *ear);
  run.thread([&] { root->cancel_and_look(); });
  run.thread([&] { child->cancel_and_look(); });
  run.thread([&] {
    const bool told = ear->leave(*child);
    check(ear->told.get() == (told ? 1 : 0), "told, and left");
    ear.reset();
  });
  run.join();
  child->unref();
  root->unref();
}

/// The last handle of a leaf goes, which takes its parent along, while the root is cancelled by two.
void some_go(model::Run& run) {
  reset_world();
  auto* root = Node::make();
  auto* branch = Node::make(*root);
  auto* leaf = Node::make(*branch);
  branch->unref();
  run.thread([&] {
    leaf->use();
    leaf->unref();
  });
  for (int i = 0; i < 2; ++i) run.thread([&] { root->cancel_and_look(); });
  run.join();
  root->unref();
}

/// Two handles of one context go, on two threads, one of them having used it.
void handles_go(model::Run& run) {
  reset_world();
  auto* root = Node::make();
  auto* child = Node::make(*root);
  child->ref();
  run.thread([&] {
    child->use();
    child->unref();
  });
  run.thread([&] { child->unref(); });
  run.thread([&] {
    root->use();
    root->unref();
  });
  run.join();
}

/// A context that cannot be cancelled, and has no lock.
class Values final : public ContextNode {
 public:
  Values() : ContextNode(&background(), nullptr) {}
  void use() { used_.set(used_.get() + 1); }

 private:
  ~Values() { used_.set(0); }
  void destroy() noexcept override { delete this; }
  Var<int> used_{0};
};

/// The last handle of a child goes, and gives its parent back, whose own handle goes on another thread.
void a_chain_goes(model::Run& run) {
  reset_world();
  auto* parent = new Values;
  auto* child = Node::make(*parent);
  run.thread([=] {
    parent->use();
    child->unref();
  });
  run.thread([=] { parent->unref(); });
  run.join();
}

/// A context is made below one that is being cancelled, and one below that: both have ended in the end, and by themselves if need be.
void one_comes(model::Run& run) {
  reset_world();
  auto* root = Node::make();
  root->ref();
  Node *child = nullptr, *leaf = nullptr;
  run.thread([&] {
    child = Node::make(*root);
    leaf = Node::make(*child);
    root->unref();
  });
  for (int i = 0; i < 2; ++i) run.thread([&] { root->cancel(errc::canceled, nullptr); });
  run.join();
  check(child->code() != 0 && leaf->code() != 0, "made below one that ends, and not ended");
  for (Node* node : {leaf, child, root}) node->unref();
}

/// What whoever cancels did before is seen by who sees that it ended.
void seen(model::Run& run) {
  reset_world();
  auto* root = Node::make();
  auto* child = Node::make(*root);
  Var<int> cause;
  run.thread([&] {
    cause.set(1);
    root->cancel(errc::canceled, nullptr);
  });
  run.thread([&] {
    if (child->code() != 0) check(cause.get() == 1, "ended for no cause");
  });
  run.join();
  child->unref();
  root->unref();
}

/// Its channel is asked for by two while it is cancelled by two: there is one, and it is closed for all who have seen the end.
void its_channel(model::Run& run) {
  reset_world();
  auto* root = Node::make();
  auto* child = Node::make(*root);
  const bool asked_before = run.choose(2) == 0;
  if (asked_before) static_cast<void>(child->done());
  detail::HChan* seen[2] = {};
  for (int i = 0; i < 2; ++i) {
    run.thread([&, i] {
      const detail::ChanRef done = child->done();
      seen[i] = done.get();
      static_cast<void>(done.get()->closed());
    });
  }
  for (Node* node : {root, child}) {
    run.thread([&, node] {
      node->cancel(errc::canceled, nullptr);
      check(child->done().get()->drained(), "cancel() returned, and its channel is open");
    });
  }
  run.join();
  check(seen[0] == seen[1] && seen[0]->drained(), "two channels, or an open one");
  child->unref();
  root->unref();
}

/// A deadline passes, beside a cancel() of its parent, the end of its last handle, and its executor's.
void a_deadline(model::Run& run) {
  reset_world();
  auto* executor = new ModelExecutor;
  const bool stops = run.choose(2) == 0;
  auto* root = Node::make();
  auto* child = new detail::DeadlineNode(root, 1'000'000);
  child->attach();
  child->start();
  run.thread([&, executor] {
    executor->fire(detail::in_ages);
    if (!stops) return;
    executor->stop();
    delete executor;
  });
  run.thread([&] { root->cancel_and_look(); });
  run.thread([&] {
    child->cancel(errc::canceled, nullptr);
    child->unref();
  });
  run.join();
  root->unref();
  if (!stops) delete executor;
}

const std::vector<Model> models{
    {"two cancel", {.schedules = 20'000}, two_cancel},
    {"each level is cancelled", {.schedules = 20'000}, each_level_is_cancelled},
    {"one leaves", {.schedules = 20'000}, one_leaves},
    {"some go", {.schedules = 20'000}, some_go},
    {"handles go", {.schedules = 10'000}, handles_go},
    {"a chain goes", {.schedules = 10'000}, a_chain_goes},
    {"one comes", {.schedules = 10'000}, one_comes},
    {"seen", {.schedules = 10'000}, seen},
    {"its channel", {.schedules = 20'000}, its_channel},
    {"a deadline", {.schedules = 20'000}, a_deadline},
};

TEST(ContextModel, AllBelowHaveEndedWhenCancelReturns) { explore_all(models); }

TEST(ContextModel, EveryOrderIsNeeded) {
  const auto all = mutants_of({"context/node.cpp", "context/node.hpp"}, models);
  std::printf("%s", describe(all).c_str());
  EXPECT_EQ("", unexcused(all, {}));
}

}  // namespace
}  // namespace gmp::model
