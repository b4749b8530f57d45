// tests/model/checker_subject.hpp — a small file for the mutation check to be tested on; checker_test.cpp says what it must find here.
// Go: none.  Room: tests/model.
#pragma once

#include "gmp/detail/base/atomic.hpp"
#include "model/model.hpp"

namespace gmp::model {

/// One value from one thread to another.
class Mailbox {
 public:
  void put(int value) {
    value_.set(value);
    full_.store(true, detail::release);
  }
  bool get(int& value) {
    if (!full_.load(detail::acquire)) return false;
    value = value_.get();
    taken_.fetch_add(1, detail::acq_rel);  // too strong: nobody looks at it
    return true;
  }
  bool full() const { return full_.load(detail::seq_cst); }  // in no model

 private:
  Var<int> value_;
  detail::Atomic<bool> full_{false};
  detail::Atomic<int> taken_{0};
};

}  // namespace gmp::model
