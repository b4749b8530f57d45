// tests/unit/base/list_test.cpp — Queue keeps order and knows its ends; List lets any node go.
// Go: none.  Room: base (floor 0).
#include "gmp/detail/base/list.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <deque>
#include <utility>
#include <vector>

#include "gmp/detail/base/random.hpp"

namespace gmp::detail::list_test {
namespace {

struct Node {
  int value = 0;
  Node* link = nullptr;
  Node* next = nullptr;
  Node* prev = nullptr;
};
using NodeQueue = Queue<Node, &Node::link>;
using NodeList = List<Node, &Node::next, &Node::prev>;

static_assert(sizeof(NodeQueue) == 2 * sizeof(void*));
static_assert(sizeof(NodeList) == sizeof(void*));
static_assert(!std::is_copy_constructible_v<NodeQueue> && !std::is_copy_constructible_v<NodeList>);

// A tree node carries the list of those that wait behind it: the list of a type must be possible as that type's member.
struct Recursive {
  Recursive* next = nullptr;
  Recursive* prev = nullptr;
  List<Recursive, &Recursive::next, &Recursive::prev> behind;
};

constinit NodeQueue global_queue;  // no code runs to make an empty one
constinit NodeList global_list;

std::vector<int> values(const NodeQueue& queue) {
  std::vector<int> out;
  for (Node* node = queue.front(); node; node = NodeQueue::next(node)) out.push_back(node->value);
  return out;
}

/// Forwards, and checks that backwards is the same.
std::vector<int> values(const NodeList& list) {
  std::vector<int> out;
  Node* last = nullptr;
  for (Node* node = list.front(); node; node = list.next(node)) {
    EXPECT_TRUE(NodeList::linked(node));
    if (last) {
      EXPECT_EQ(node->prev, last);
    }
    last = node;
    out.push_back(node->value);
  }
  EXPECT_EQ(list.back(), last);
  return out;
}

template <std::size_t N>
std::array<Node, N> numbered() {
  std::array<Node, N> nodes;
  for (std::size_t i = 0; i < N; ++i) nodes[i].value = static_cast<int>(i);
  return nodes;
}

TEST(Queue, FirstInFirstOut) {
  auto nodes = numbered<3>();
  NodeQueue queue;
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.pop_front(), nullptr);
  for (Node& node : nodes) queue.push_back(&node);
  EXPECT_EQ(queue.front(), &nodes[0]);
  EXPECT_EQ(queue.back(), &nodes[2]);
  for (Node& node : nodes) EXPECT_EQ(queue.pop_front(), &node);
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.back(), nullptr);
}

TEST(Queue, PushFrontMakesAStack) {
  auto nodes = numbered<3>();
  NodeQueue queue;
  for (Node& node : nodes) queue.push_front(&node);
  EXPECT_EQ(values(queue), (std::vector{2, 1, 0}));
  EXPECT_EQ(queue.back(), &nodes[0]);
}

TEST(Queue, AppendTakesAllInOrderAndEmptiesTheOther) {
  auto nodes = numbered<5>();
  NodeQueue a, b, empty;
  a.append(std::move(empty));
  EXPECT_TRUE(a.empty());
  b.push_back(&nodes[0]);
  a.append(std::move(b));
  b.push_back(&nodes[1]);
  b.push_back(&nodes[2]);
  a.append(std::move(b));
  EXPECT_TRUE(b.empty());
  EXPECT_EQ(b.back(), nullptr);
  nodes[3].link = &nodes[4];
  a.append(&nodes[3], &nodes[4]);
  EXPECT_EQ(values(a), (std::vector{0, 1, 2, 3, 4}));
  EXPECT_EQ(a.back(), &nodes[4]);
}

TEST(Queue, MovedFromIsEmpty) {
  auto nodes = numbered<2>();
  NodeQueue a;
  a.push_back(&nodes[0]);
  NodeQueue b = std::move(a);
  EXPECT_TRUE(a.empty());
  b.push_back(&nodes[1]);
  a = std::move(b);
  EXPECT_EQ(values(a), (std::vector{0, 1}));
}

TEST(Queue, PoppedNodeCanBePushedAtOnce) {
  auto nodes = numbered<2>();
  NodeQueue queue;
  for (Node& node : nodes) queue.push_back(&node);
  for (int i = 0; i < 10; ++i) queue.push_back(queue.pop_front());
  EXPECT_EQ(values(queue), (std::vector{0, 1}));
}

TEST(QueueDeathTest, PushingAQueuedNodeIsFound) {
  auto nodes = numbered<2>();
  NodeQueue queue;
  for (Node& node : nodes) queue.push_back(&node);
  EXPECT_DEATH(queue.push_back(&nodes[0]), "broken invariant");
  EXPECT_DEATH(queue.push_back(&nodes[1]), "broken invariant");
}

TEST(List, AnyNodeLeaves) {
  auto nodes = numbered<5>();
  NodeList list;
  for (Node& node : nodes) list.push_back(&node);
  list.erase(&nodes[2]);
  EXPECT_EQ(values(list), (std::vector{0, 1, 3, 4}));
  list.erase(&nodes[0]);
  list.erase(&nodes[4]);
  EXPECT_EQ(values(list), (std::vector{1, 3}));
  EXPECT_FALSE(NodeList::linked(&nodes[0]));
  EXPECT_TRUE(NodeList::linked(&nodes[1]));
  list.erase(&nodes[1]);
  EXPECT_TRUE(NodeList::linked(&nodes[3])) << "alone, but in";
  list.erase(&nodes[3]);
  EXPECT_TRUE(list.empty());
  EXPECT_EQ(list.back(), nullptr);
}

TEST(List, AppendTakesAllInOrderAndEmptiesTheOther) {
  auto nodes = numbered<4>();
  NodeList a, b;
  b.push_back(&nodes[0]);
  a.append(std::move(b));
  b.push_back(&nodes[1]);
  b.push_back(&nodes[2]);
  a.append(std::move(b));
  a.append(std::move(b));
  EXPECT_TRUE(b.empty());
  a.push_front(&nodes[3]);
  EXPECT_EQ(values(a), (std::vector{3, 0, 1, 2}));
}

TEST(ListDeathTest, ErasingOrPushingTwiceIsFound) {
  auto nodes = numbered<2>();
  NodeList list;
  list.push_back(&nodes[0]);
  EXPECT_DEATH(list.push_back(&nodes[0]), "broken invariant");
  EXPECT_DEATH(list.erase(&nodes[1]), "broken invariant");
  list.erase(&nodes[0]);
}

TEST(List, RandomOperationsAgreeWithDeque) {
  constexpr std::uint64_t seed = 20240611;
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  Random random(seed);
  auto nodes = numbered<16>();
  NodeList list;
  std::deque<int> model;
  for (int step = 0; step < 20'000; ++step) {
    Node& node = nodes[random.below(16)];
    const bool in = std::find(model.begin(), model.end(), node.value) != model.end();
    ASSERT_EQ(NodeList::linked(&node), in);
    switch (random.below(3)) {
      case 0:
        if (in) break;
        list.push_back(&node);
        model.push_back(node.value);
        break;
      case 1:
        if (in) break;
        list.push_front(&node);
        model.push_front(node.value);
        break;
      default:
        if (in) {
          list.erase(&node);
          model.erase(std::find(model.begin(), model.end(), node.value));
        } else if (Node* first = list.pop_front()) {
          ASSERT_EQ(first->value, model.front());
          model.pop_front();
        }
    }
    ASSERT_EQ(values(list), std::vector<int>(model.begin(), model.end()));
  }
}

TEST(List, GlobalsAreConstantInitialised) {
  EXPECT_TRUE(global_queue.empty());
  EXPECT_TRUE(global_list.empty());
  Recursive recursive;
  EXPECT_TRUE(recursive.behind.empty());
}

}  // namespace
}  // namespace gmp::detail::list_test
