// include/gmp/detail/base/rbtree.hpp — RbTree: an intrusive red-black tree that knows nothing of what it holds.
// Go: runtime/sema.go has a treap instead (semaRoot).  Room: base (floor 0).
//
// Why red-black and not Go's treap: no random number at each insert, a bound on the depth (2 log2(n + 1)) that does not depend on luck, and
// at most three rotations to take a node out.  Rebalancing looks at colours and links only, so it is compiled once, in rbtree.cpp; the
// template below is the search, which must see keys, and casts.
//
// Invariants:
//   RB1  in order: left <= node <= right by the owner's key; among equal keys the one inserted first comes first.
//   RB2  the root is black; a red node has no red child.
//   RB3  every way from the root down to a missing child passes the same number of black nodes.
//   RB4  each child's parent is the node whose child it is; the root's parent is null.
//   RB5  a node is linked iff parent_color_ is not 0: the root is black, and a red node has a parent, so no linked node has 0 there.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>

#include "gmp/detail/base/assert.hpp"

namespace gmp::detail {

/// Base of what a tree holds. A node is in at most one tree. Copying one would copy its place: not allowed.
struct RbNode {
  enum Side : int { left = 0, right = 1 };

  constexpr RbNode() noexcept = default;
  RbNode(const RbNode&) = delete;
  RbNode& operator=(const RbNode&) = delete;

  bool linked() const noexcept { return parent_color_ != 0; }  // RB5
  RbNode* parent() const noexcept { return reinterpret_cast<RbNode*>(parent_color_ & ~std::uintptr_t{1}); }
  bool black() const noexcept { return (parent_color_ & 1) != 0; }
  bool red() const noexcept { return !black(); }

  std::uintptr_t parent_color_ = 0;        // parent's address | 1 if black
  RbNode* child_[2] = {nullptr, nullptr};  // by Side: each step has a mirror image, and is written once
};
static_assert(sizeof(RbNode) == 3 * sizeof(void*));
static_assert(alignof(RbNode) >= 2, "the colour lives in the parent's lowest bit");

/// The type-free half. Nothing here allocates, compares, or throws.
class RbTreeBase {
 public:
  constexpr RbTreeBase() noexcept = default;
  RbTreeBase(const RbTreeBase&) = delete;
  RbTreeBase& operator=(const RbTreeBase&) = delete;

  bool empty() const noexcept { return root_ == nullptr; }

 protected:
  /// Hangs a node below parent, where no child is yet (parent null: the tree is empty), and rebalances.
  void insert_below(RbNode* parent, RbNode::Side side, RbNode* node) noexcept;
  void erase_node(RbNode* node) noexcept;
  /// fresh takes the place and the colour of old. Its key must fit there; nothing is rebalanced.
  void replace_node(RbNode* old, RbNode* fresh) noexcept;
  /// The first (left) or the last (right) node in order; null if empty.
  RbNode* outermost(RbNode::Side side) const noexcept;
  /// The next (right) or the previous (left) node in order; null at the end.
  static RbNode* neighbour(const RbNode* node, RbNode::Side side) noexcept;

  RbNode* root_ = nullptr;

 private:
  friend struct RbVerifier;  // tests
  void set_child(RbNode* parent, RbNode* old, RbNode* fresh) noexcept;
  void rotate(RbNode* node, RbNode::Side side) noexcept;
  void rebalance_after_insert(RbNode* node) noexcept;
  void rebalance_after_erase(RbNode* parent, RbNode::Side side) noexcept;
};

/// KeyOf says how to get a node's key: a member, `RbTree<Waiter, &Waiter::address_>`, or a function. Keys are compared by std::less<>.
template <class T, auto KeyOf>
class RbTree : public RbTreeBase {
 public:
  /// Where a key is, or would be.
  struct Place {
    T* found;  // the node with that key, or null: then a new one goes below parent
    RbNode* parent;
    RbNode::Side side;
  };

  /// The first step of find-or-insert. With several equal keys it finds one of them.
  template <class Key>
  Place locate(const Key& key) const noexcept {
    Place place{nullptr, nullptr, RbNode::left};
    for (RbNode* node = this->root_; node; node = node->child_[place.side]) {
      const T* here = cast(node);
      place.parent = node;
      if (std::less<>{}(key, key_of(here))) {
        place.side = RbNode::left;
      } else if (std::less<>{}(key_of(here), key)) {
        place.side = RbNode::right;
      } else {
        place.found = cast(node);
        break;
      }
    }
    return place;
  }

  /// Null if no node has that key.
  template <class Key>
  T* find(const Key& key) const noexcept {
    return locate(key).found;
  }

  /// The first node whose key is not less; null if there is none.
  template <class Key>
  T* lower_bound(const Key& key) const noexcept {
    RbNode* best = nullptr;
    for (RbNode* node = this->root_; node;) {
      const bool less = std::less<>{}(key_of(cast(node)), key);
      if (!less) best = node;
      node = node->child_[less ? RbNode::right : RbNode::left];
    }
    return cast(best);
  }

  /// place: from locate() of the node's key, with nothing found, and no change to the tree since.
  void insert_at(const Place& place, T* node) noexcept {
    GMPCORO_ASSERT(place.found == nullptr);
    this->insert_below(place.parent, place.side, node);
  }

  /// Inserts behind all nodes with an equal key.
  void insert(T* node) noexcept {
    RbNode* parent = nullptr;
    RbNode::Side side = RbNode::left;
    for (RbNode* below = this->root_; below; below = below->child_[side]) {
      parent = below;
      side = std::less<>{}(key_of(node), key_of(cast(below))) ? RbNode::left : RbNode::right;
    }
    this->insert_below(parent, side, node);
  }

  void erase(T* node) noexcept { this->erase_node(node); }
  /// fresh, in no tree, takes over old's place and colour; its key must be equal to old's.
  void replace(T* old, T* fresh) noexcept { this->replace_node(old, fresh); }

  T* first() const noexcept { return cast(this->outermost(RbNode::left)); }
  T* last() const noexcept { return cast(this->outermost(RbNode::right)); }
  static T* next(const T* node) noexcept { return cast(neighbour(node, RbNode::right)); }
  static T* prev(const T* node) noexcept { return cast(neighbour(node, RbNode::left)); }

  static decltype(auto) key_of(const T* node) noexcept { return std::invoke(KeyOf, *node); }

 private:
  static T* cast(RbNode* node) noexcept {
    static_assert(std::derived_from<T, RbNode>);
    return static_cast<T*>(node);
  }
};

}  // namespace gmp::detail
