// tests/unit/base/rbtree_test.cpp — the red-black tree against std::multimap, its invariants verified as it goes.
// Go: none (runtime/sema.go's treap has no test of its own).  Room: base (floor 0).
#include "gmp/detail/base/rbtree.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "gmp/detail/base/random.hpp"
#include "unit/base/rbtree_verify.hpp"

namespace gmp::detail::rbtree_test {
namespace {

struct Item : RbNode {
  std::uint32_t key = 0;
  std::uint64_t order = 0;  // which insert put it in: among equal keys the tree must keep it
};
using Tree = RbTree<Item, &Item::key>;

bool less(const Item& a, const Item& b) { return a.key != b.key ? a.key < b.key : a.order < b.order; }

std::string check(const Tree& tree, std::size_t expected_size) {
  std::size_t count = 0;
  std::string wrong = RbVerifier::verify(tree, less, &count);
  if (wrong.empty() && count != expected_size) wrong = "a node is lost, or there twice";
  return wrong;
}

/// The tree and its model, and steps that do the same to both.
class Pair {
 public:
  Pair(std::uint64_t seed, std::size_t size_max, std::uint32_t keys) : random_(seed), items_(size_max), keys_(keys) {
    for (Item& item : items_) idle_.push_back(&item);
  }
  ~Pair() {
    while (Item* item = tree_.first()) tree_.erase(item);
  }

  void step(std::uint32_t insert_percent) {
    const std::uint32_t what = random_.below(100);
    if (what < insert_percent && !idle_.empty()) {
      insert(take_idle());
    } else if (what < 97 && !in_.empty()) {
      erase(random_.below(static_cast<std::uint32_t>(in_.size())));
    } else if (!in_.empty() && !idle_.empty()) {
      replace(random_.below(static_cast<std::uint32_t>(in_.size())));
    }
  }

  std::string verify() const { return check(tree_, model_.size()); }

  /// The whole order, forwards and backwards, and every search.
  void compare_all() const {
    Item* item = tree_.first();
    Item* before = nullptr;
    for (const auto& [key, expected] : model_) {
      ASSERT_EQ(item, expected);
      ASSERT_EQ(Tree::prev(item), before);
      before = item;
      item = Tree::next(item);
    }
    ASSERT_EQ(item, nullptr);
    ASSERT_EQ(tree_.last(), before);
    for (std::uint32_t key = 0; key <= keys_; ++key) {
      const auto bound = model_.lower_bound(key);
      ASSERT_EQ(tree_.lower_bound(key), bound == model_.end() ? nullptr : bound->second);
      Item* found = tree_.find(key);
      ASSERT_EQ(found != nullptr, model_.contains(key));
      if (found) {
        ASSERT_EQ(found->key, key);
      }
    }
  }

 private:
  Item* take_idle() {
    Item* item = idle_.back();
    idle_.pop_back();
    return item;
  }

  void insert(Item* item) {
    item->key = random_.below(keys_);
    item->order = next_order_++;
    ASSERT_FALSE(item->linked());
    const Tree::Place place = tree_.locate(item->key);
    if (place.found) {
      ASSERT_EQ(place.found->key, item->key);
      tree_.insert(item);
    } else {
      tree_.insert_at(place, item);
    }
    ASSERT_TRUE(item->linked());
    in_.push_back(model_.emplace(item->key, item));
  }

  void erase(std::size_t i) {
    Item* item = in_[i]->second;
    tree_.erase(item);
    ASSERT_FALSE(item->linked());
    model_.erase(in_[i]);
    in_[i] = in_.back();
    in_.pop_back();
    idle_.insert(idle_.begin() + static_cast<std::ptrdiff_t>(random_.below(static_cast<std::uint32_t>(idle_.size() + 1))), item);
  }

  void replace(std::size_t i) {
    Item* old = in_[i]->second;
    Item* fresh = take_idle();
    fresh->key = old->key;
    fresh->order = old->order;
    const bool black = old->black();
    tree_.replace(old, fresh);
    ASSERT_FALSE(old->linked());
    ASSERT_EQ(fresh->black(), black);
    in_[i]->second = fresh;
    idle_.push_back(old);
  }

  Random random_;
  std::vector<Item> items_;
  std::vector<Item*> idle_;
  std::uint32_t keys_;
  Tree tree_;
  std::multimap<std::uint32_t, Item*> model_;
  std::vector<std::multimap<std::uint32_t, Item*>::iterator> in_;
  std::uint64_t next_order_ = 0;
};

TEST(RbTree, EmptyTreeHasNothing) {
  Tree tree;
  EXPECT_TRUE(tree.empty());
  EXPECT_EQ(tree.first(), nullptr);
  EXPECT_EQ(tree.last(), nullptr);
  EXPECT_EQ(tree.find(1U), nullptr);
  EXPECT_EQ(tree.lower_bound(0U), nullptr);
  EXPECT_EQ(check(tree, 0), "");
}

TEST(RbTree, RandomStepsAtSmallSizesVerifiedAtEach) {
  // Small sizes meet every case of the repairs, and their combinations, far more often than large ones.
  for (const std::size_t size : {1U, 2U, 3U, 5U, 8U, 13U, 24U}) {
    const std::uint64_t seed = 1000 + size;
    SCOPED_TRACE(::testing::Message() << "seed " << seed << " size " << size);
    Pair pair(seed, size, static_cast<std::uint32_t>(size));
    for (int step = 0; step < 100'000; ++step) {
      pair.step(55);
      const std::string wrong = pair.verify();
      ASSERT_EQ(wrong, "") << "step " << step;
      if (step % 16 == 0) pair.compare_all();
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
}

TEST(RbTree, RandomStepsAtLargeSizesVerifiedNowAndThen) {
  constexpr std::uint64_t seed = 77;
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  Pair pair(seed, 2000, 1500);
  for (int step = 0; step < 300'000; ++step) {
    pair.step(step % 60'000 < 30'000 ? 70 : 30);  // grows and shrinks in turns
    if (step % 997 != 0) continue;
    ASSERT_EQ(pair.verify(), "") << "step " << step;
    pair.compare_all();
    if (::testing::Test::HasFatalFailure()) return;
  }
}

TEST(RbTree, EveryInsertOrderAndEveryEraseOrderOfSevenNodes) {
  std::vector<Item> items(7);
  std::vector<std::uint32_t> order(7);
  std::iota(order.begin(), order.end(), 0U);
  Random random(5);
  do {
    Tree tree;
    for (const std::uint32_t key : order) {
      items[key].key = key;
      tree.insert(&items[key]);
    }
    ASSERT_EQ(check(tree, 7), "");
    std::vector<std::uint32_t> gone = order;
    std::shuffle(gone.begin(), gone.end(), random);
    for (std::size_t left = 7; left > 0; --left) {
      tree.erase(&items[gone[left - 1]]);
      ASSERT_EQ(check(tree, left - 1), "");
    }
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST(RbTree, DepthStaysLogarithmicWhenKeysComeSorted) {
  constexpr std::size_t count = 1 << 14;
  std::vector<Item> items(count);
  Tree tree;
  for (std::size_t i = 0; i < count; ++i) {
    items[i].key = static_cast<std::uint32_t>(i);
    tree.insert(&items[i]);
  }
  EXPECT_EQ(check(tree, count), "");
  int deepest = 0;
  for (const Item& item : items) {
    int depth = 0;
    for (const RbNode* node = &item; node; node = node->parent()) ++depth;
    deepest = std::max(deepest, depth);
  }
  EXPECT_LE(deepest, 2 * std::log2(count + 1));
  for (Item& item : items) tree.erase(&item);
  EXPECT_TRUE(tree.empty());
}

TEST(RbTree, EqualKeysKeepTheirOrder) {
  std::vector<Item> items(100);
  Tree tree;
  for (std::size_t i = 0; i < items.size(); ++i) {
    items[i].key = 5;
    items[i].order = i;
    tree.insert(&items[i]);
  }
  EXPECT_EQ(check(tree, 100), "");
  EXPECT_EQ(tree.lower_bound(5U), &items[0]);
  EXPECT_EQ(tree.lower_bound(6U), nullptr);
  std::size_t i = 0;
  for (Item* item = tree.first(); item; item = Tree::next(item)) EXPECT_EQ(item, &items[i++]);
  for (Item& item : items) tree.erase(&item);
}

struct ByAddress : RbNode {
  const void* address = nullptr;
};

TEST(RbTree, KeysMayBeAddressesAndKeyOfMayBeAFunction) {
  int where[3] = {};
  std::vector<ByAddress> nodes(3);
  RbTree<ByAddress, &ByAddress::address> tree;
  for (std::size_t i = 0; i < 3; ++i) {
    nodes[i].address = &where[i];
    const auto place = tree.locate(nodes[i].address);
    ASSERT_EQ(place.found, nullptr);
    tree.insert_at(place, &nodes[i]);
  }
  EXPECT_EQ(tree.find(static_cast<const void*>(&where[1])), &nodes[1]);
  for (ByAddress& node : nodes) tree.erase(&node);

  constexpr auto descending = [](const Item& item) { return -static_cast<std::int64_t>(item.key); };
  RbTree<Item, descending> down;
  std::vector<Item> items(3);
  for (std::uint32_t i = 0; i < 3; ++i) {
    items[i].key = i;
    down.insert(&items[i]);
  }
  EXPECT_EQ(down.first(), &items[2]);
  for (Item& item : items) down.erase(&item);
}

TEST(RbTreeDeathTest, LinkingTwiceAndErasingTwiceAreFound) {
  std::vector<Item> items(2);
  Tree tree;
  tree.insert(&items[0]);
  EXPECT_DEATH(tree.insert(&items[0]), "broken invariant");
  EXPECT_DEATH(tree.erase(&items[1]), "broken invariant");
  EXPECT_DEATH(tree.replace(&items[0], &items[0]), "broken invariant");
  tree.erase(&items[0]);
}

TEST(RbVerifier, FindsEachKindOfDamage) {
  // A checker that finds nothing proves nothing.
  std::vector<Item> items(7);
  Tree tree;
  for (std::uint32_t i = 0; i < 7; ++i) {
    items[i].key = i;
    tree.insert(&items[i]);
  }
  ASSERT_EQ(check(tree, 7), "");
  const Item* root = tree.find(3U);
  for (Item& item : items) {
    if (!item.parent()) root = &item;
  }
  Item* leaf = tree.first();
  const std::uintptr_t saved = leaf->parent_color_;
  leaf->parent_color_ ^= 1;
  EXPECT_NE(check(tree, 7), "") << "colour";
  leaf->parent_color_ = saved;
  Item* last = tree.last();  // sorted inserts: deeper than a child of the root
  const std::uintptr_t parent = last->parent_color_;
  last->parent_color_ = reinterpret_cast<std::uintptr_t>(root) | (parent & 1);
  EXPECT_EQ(check(tree, 7), "RB4: a child does not know its parent");
  last->parent_color_ = parent;
  leaf->key = 6;
  EXPECT_EQ(check(tree, 7), "RB1: not in order");
  leaf->key = 0;
  EXPECT_EQ(check(tree, 8), "a node is lost, or there twice");
  for (Item& item : items) tree.erase(&item);
}

}  // namespace
}  // namespace gmp::detail::rbtree_test
