// tests/unit/base/rbtree_verify.hpp — checks the red-black invariants RB1 to RB5 of any RbTree.
// Go: none.  Room: base (floor 0), for tests.
//
//   EXPECT_EQ(RbVerifier::verify(tree, less), "")        less(const T&, const T&): strict order of the nodes
// Not recursive: a broken tree may be a circle, so steps are counted too.
#pragma once

#include <cstddef>
#include <string>

#include "gmp/detail/base/rbtree.hpp"

namespace gmp::detail {

struct RbVerifier {
  /// What is wrong, in words; empty if nothing. count: receives the number of nodes.
  template <class T, auto KeyOf, class Less>
  static std::string verify(const RbTree<T, KeyOf>& tree, Less less, std::size_t* count = nullptr) {
    std::size_t nodes = 0;
    if (count) *count = 0;
    const RbNode* root = tree.root_;
    if (!root) return "";
    if (root->parent()) return "RB4: the root has a parent";
    if (root->red()) return "RB2: the root is red";

    int black_height = -1;              // of the first missing child met
    int black = 0;                      // black nodes from the root down to here
    const T* previous = nullptr;        // in order
    const RbNode* came_from = nullptr;  // parent: going down; left child, right child: coming back
    for (const RbNode* node = root; node;) {
      const RbNode* const left = node->child_[RbNode::left];
      const RbNode* const right = node->child_[RbNode::right];
      const RbNode* next = nullptr;
      bool in_order = false;
      if (came_from == node->parent()) {  // first visit
        if (!node->linked()) return "RB5: a node in the tree says it is not linked";
        if (++nodes > limit) return "a circle, or too many nodes to verify";
        black += node->black() ? 1 : 0;
        for (const RbNode* child : {left, right}) {
          if (!child) {
            if (black_height < 0) black_height = black;
            if (black_height != black) return "RB3: black heights differ";
            continue;
          }
          if (child->parent() != node) return "RB4: a child does not know its parent";
          if (node->red() && child->red()) return "RB2: a red node has a red child";
        }
        if (left) {
          came_from = node;
          node = left;
          continue;
        }
        in_order = true;
      } else if (came_from == left) {
        in_order = true;
      }
      if (in_order) {
        const T* here = static_cast<const T*>(node);
        if (previous && less(*here, *previous)) return "RB1: not in order";
        previous = here;
        next = right;
      }
      came_from = node;
      if (!next) {
        black -= node->black() ? 1 : 0;
        next = node->parent();
      }
      node = next;
    }
    if (count) *count = nodes;
    return "";
  }

 private:
  static constexpr std::size_t limit = std::size_t{1} << 32;
};

}  // namespace gmp::detail
