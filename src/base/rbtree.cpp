// src/base/rbtree.cpp — the half of RbTree that sees colours and links, not keys.
// Go: none (runtime/sema.go rotates a treap).  Room: base (floor 0).
//
// Every step is written once, for a side and its opposite, instead of twice for left and right.
// Both repairs carry one fault upwards until a rotation ends it:
//   insert   a red node below a red parent (RB2); the black heights are right all the time.
//   erase    one subtree that is a black node short (RB3); its root is black, or missing, which counts as black.
#include "gmp/detail/base/rbtree.hpp"

namespace gmp::detail {
namespace {

constexpr RbNode::Side opposite(RbNode::Side side) noexcept { return side == RbNode::left ? RbNode::right : RbNode::left; }

bool is_red(const RbNode* node) noexcept { return node != nullptr && node->red(); }

RbNode::Side side_of(const RbNode* node, const RbNode* parent) noexcept {
  return parent->child_[RbNode::left] == node ? RbNode::left : RbNode::right;
}

void set_parent(RbNode* node, RbNode* parent) noexcept {
  node->parent_color_ = reinterpret_cast<std::uintptr_t>(parent) | (node->parent_color_ & 1);
}

void set_black(RbNode* node) noexcept { node->parent_color_ |= 1; }
void set_red(RbNode* node) noexcept { node->parent_color_ &= ~std::uintptr_t{1}; }
void copy_color(RbNode* node, const RbNode* from) noexcept { from->black() ? set_black(node) : set_red(node); }

void forget(RbNode* node) noexcept {
  node->parent_color_ = 0;
  node->child_[RbNode::left] = node->child_[RbNode::right] = nullptr;
}

}  // namespace

/// The one link that leads down to old now leads to fresh (which may be null).
void RbTreeBase::set_child(RbNode* parent, RbNode* old, RbNode* fresh) noexcept {
  (parent ? parent->child_[side_of(old, parent)] : root_) = fresh;
}

/// node goes down to the given side; its child on the other side takes its place. Colours stay with the nodes.
void RbTreeBase::rotate(RbNode* node, RbNode::Side side) noexcept {
  RbNode* up = node->child_[opposite(side)];
  RbNode* between = up->child_[side];
  node->child_[opposite(side)] = between;
  if (between) set_parent(between, node);
  RbNode* parent = node->parent();
  set_child(parent, node, up);
  set_parent(up, parent);
  up->child_[side] = node;
  set_parent(node, up);
}

void RbTreeBase::insert_below(RbNode* parent, RbNode::Side side, RbNode* node) noexcept {
  GMPCORO_ASSERT(!node->linked());
  node->child_[RbNode::left] = node->child_[RbNode::right] = nullptr;
  node->parent_color_ = reinterpret_cast<std::uintptr_t>(parent);  // red: no black height changes
  if (parent) {
    GMPCORO_ASSERT(parent->child_[side] == nullptr);
    parent->child_[side] = node;
  } else {
    GMPCORO_ASSERT(root_ == nullptr);
    root_ = node;
  }
  rebalance_after_insert(node);
}

void RbTreeBase::rebalance_after_insert(RbNode* node) noexcept {
  for (;;) {
    RbNode* parent = node->parent();
    if (!parent) {
      set_black(node);  // the only step that raises the black height, everywhere at once
      return;
    }
    if (parent->black()) return;
    RbNode* grandparent = parent->parent();  // there is one: the root is black, the parent is red
    const RbNode::Side side = side_of(parent, grandparent);
    RbNode* uncle = grandparent->child_[opposite(side)];
    if (is_red(uncle)) {
      set_black(parent);
      set_black(uncle);
      set_red(grandparent);
      node = grandparent;  // the fault may have moved two levels up
      continue;
    }
    if (side_of(node, parent) != side) {  // bent: straighten it first
      rotate(parent, side);
      parent = node;
    }
    rotate(grandparent, opposite(side));
    set_black(parent);
    set_red(grandparent);
    return;
  }
}

void RbTreeBase::erase_node(RbNode* node) noexcept {
  GMPCORO_ASSERT(node->linked());
  RbNode* const left = node->child_[RbNode::left];
  RbNode* const right = node->child_[RbNode::right];
  RbNode* short_parent;  // the place a black node may be missing from
  RbNode::Side short_side;
  bool lost_black;

  if (left && right) {
    // The successor has no left child: take it out of its place, where one child at most must move up, and give it the node's place.
    RbNode* heir = right;
    while (heir->child_[RbNode::left]) heir = heir->child_[RbNode::left];
    RbNode* orphan = heir->child_[RbNode::right];
    lost_black = heir->black();
    if (heir == right) {
      short_parent = heir;
      short_side = RbNode::right;
    } else {
      short_parent = heir->parent();
      short_side = RbNode::left;
      short_parent->child_[RbNode::left] = orphan;
      if (orphan) set_parent(orphan, short_parent);
      heir->child_[RbNode::right] = right;
      set_parent(right, heir);
    }
    heir->child_[RbNode::left] = left;
    set_parent(left, heir);
    set_child(node->parent(), node, heir);
    heir->parent_color_ = node->parent_color_;
  } else {
    RbNode* child = left ? left : right;
    short_parent = node->parent();
    short_side = short_parent ? side_of(node, short_parent) : RbNode::left;
    lost_black = node->black();
    set_child(short_parent, node, child);
    if (child) set_parent(child, short_parent);
  }
  forget(node);

  if (!lost_black) return;
  RbNode* moved_up = short_parent ? short_parent->child_[short_side] : root_;
  if (is_red(moved_up)) {
    set_black(moved_up);
  } else if (short_parent) {
    rebalance_after_erase(short_parent, short_side);
  }
}

/// The subtree of parent on that side is one black node short, and its root is not red.
void RbTreeBase::rebalance_after_erase(RbNode* parent, RbNode::Side side) noexcept {
  for (;;) {
    const RbNode::Side other = opposite(side);
    RbNode* sibling = parent->child_[other];  // there is one: its side has a black node more
    if (is_red(sibling)) {                    // get a black sibling first
      rotate(parent, side);
      set_black(sibling);
      set_red(parent);
      sibling = parent->child_[other];
    }
    RbNode* near = sibling->child_[side];
    RbNode* far = sibling->child_[other];
    if (!is_red(near) && !is_red(far)) {
      set_red(sibling);  // now both sides are short
      if (parent->red()) {
        set_black(parent);
        return;
      }
      RbNode* grandparent = parent->parent();
      if (!grandparent) return;  // short everywhere: fine
      side = side_of(parent, grandparent);
      parent = grandparent;
      continue;
    }
    if (!is_red(far)) {  // bent: straighten it first
      rotate(sibling, other);
      set_black(near);
      set_red(sibling);
      far = sibling;
      sibling = near;
    }
    rotate(parent, side);
    copy_color(sibling, parent);
    set_black(parent);
    set_black(far);
    return;
  }
}

void RbTreeBase::replace_node(RbNode* old, RbNode* fresh) noexcept {
  GMPCORO_ASSERT(old->linked());
  GMPCORO_ASSERT(!fresh->linked());
  set_child(old->parent(), old, fresh);
  fresh->parent_color_ = old->parent_color_;
  for (const RbNode::Side side : {RbNode::left, RbNode::right}) {
    fresh->child_[side] = old->child_[side];
    if (fresh->child_[side]) set_parent(fresh->child_[side], fresh);
  }
  forget(old);
}

RbNode* RbTreeBase::outermost(RbNode::Side side) const noexcept {
  RbNode* node = root_;
  if (!node) return nullptr;
  while (node->child_[side]) node = node->child_[side];
  return node;
}

RbNode* RbTreeBase::neighbour(const RbNode* node, RbNode::Side side) noexcept {
  if (RbNode* below = node->child_[side]) {
    while (below->child_[opposite(side)]) below = below->child_[opposite(side)];
    return below;
  }
  RbNode* parent = node->parent();
  while (parent && side_of(node, parent) == side) {
    node = parent;
    parent = node->parent();
  }
  return parent;
}

}  // namespace gmp::detail
