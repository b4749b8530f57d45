// src/select/select.cpp — select over a set that is known only at run time.
// Go: reflect/value.go (Select).  Room: select (floor 4).
#include "gmp/select.hpp"

namespace gmp::detail {

SelectSpanAwaiter::SelectSpanAwaiter(G* gp, SelectSpanOp&& op)
    : OperationAwaiter(gp),
      cases_(op.cases_),
      many_records_(cases_.size() > few ? new CaseRecord[cases_.size()] : nullptr),
      many_locks_(cases_.size() > few ? new HChan*[cases_.size()] : nullptr),
      records_(many_records_ ? many_records_.get() : few_records_.data()),
      selection_(records_, cases_.size(), many_locks_ ? many_locks_.get() : few_locks_.data()) {
  for (std::size_t i = 0; i < cases_.size(); ++i) cases_[i].ops_->describe(cases_[i].bytes_, records_[i]);
  selection_.check();
}

int SelectSpanAwaiter::await_resume() {
  selection_.leave();
  finished_ = true;
  const int index = selection_.index();
  if (index >= 0) cases_[static_cast<std::size_t>(index)].ops_->finish(cases_[static_cast<std::size_t>(index)].bytes_, records_[index]);
  return index;
}

SelectSpanAwaiter::~SelectSpanAwaiter() {
  if (finished_) return;
  selection_.leave();
  const int index = selection_.index();
  if (index >= 0) cases_[static_cast<std::size_t>(index)].ops_->drop(cases_[static_cast<std::size_t>(index)].bytes_, records_[index]);
}

}  // namespace gmp::detail
