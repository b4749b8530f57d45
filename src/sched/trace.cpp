// src/sched/trace.cpp — the buffers of a trace, one for each M, and one for all threads that are none.
// Go: runtime/trace.go (StartTrace, StopTrace).  Room: sched (floor 2).
#include "sched/trace.hpp"

#include <bit>
#include <new>
#include <utility>

#include "sched/sched.hpp"

namespace gmp::detail {

constinit Atomic<std::uint32_t> watches{0};

namespace {

constinit Atomic<std::uint32_t> trace_session{0};  // its number; 0: nobody traces

constinit Lock buffers_lock;
constinit std::uint32_t last_session = 0;  // buffers_lock, as the next three
constinit bool being_read = false;
constinit Atomic<std::int64_t> begun_ns{0};
constinit Lock outside_lock;  // the buffer of those who are no Ms: one at a time

std::vector<std::unique_ptr<TraceBuffer>>& buffers() {  // buffers_lock; never destroyed
  static auto& all = *new std::vector<std::unique_ptr<TraceBuffer>>;
  return all;
}
TraceBuffer& outside() {
  static TraceBuffer& buffer = *new TraceBuffer(nullptr, "other threads", -1);
  return buffer;
}

// The M's, in that session. Null: there is no memory for one. runs: cur_ is a g that runs, and whose begin may be missing.
TraceBuffer* buffer_of(M* mp, std::uint32_t session, bool runs) noexcept {
  if (mp->trace_ == nullptr) {
    try {
      auto fresh = std::make_unique<TraceBuffer>(mp->sched_, mp->sched_->options().name, mp->id_);
      LockGuard guard(buffers_lock);
      buffers().push_back(std::move(fresh));
      mp->trace_ = buffers().back().get();
    } catch (const std::bad_alloc&) {
      return nullptr;
    }
  }
  TraceBuffer& buffer = *mp->trace_;
  if (buffer.session_.load(relaxed) != session) {  // its own
    buffer.begin_session(session);
    if (const G* gp = mp->cur_; gp != nullptr && runs)
      buffer.add({begun_ns.load(relaxed), gp->id_, std::bit_cast<std::uint64_t>(gp->created_at_), TraceKind::begin, mp->p_ != nullptr ? mp->p_->id_ : -1});
  }
  return &buffer;
}

void note(M* mp, TraceKind kind, std::uint64_t g, std::uint64_t arg) noexcept {
  const std::uint32_t session = trace_session.load(acquire);  // [TRACE-SESSION] the last one has been read (TR2)
  if (session == 0) return;
  const bool runs = kind == TraceKind::ready || kind == TraceKind::blocking_begin || kind == TraceKind::blocking_end;
  if (TraceBuffer* buffer = buffer_of(mp, session, runs)) buffer->add({now_ns(), g, arg, kind, mp->p_ != nullptr ? mp->p_->id_ : -1});
}

}  // namespace

void TraceBuffer::begin_session(std::uint32_t session) noexcept {
  size_.store(0, relaxed);
  lost_.store(0, relaxed);
  reason_ = WaitReason::none;
  session_.store(session, release);  // [TRACE-BUFFER] the size before is that of another
}

void TraceBuffer::add(const TraceEvent& event) noexcept {
  const std::size_t at = size_.load(relaxed);  // its own
  std::unique_ptr<TraceEvent[]>* chunk = at / chunk_events < chunks_max ? &chunks_[at / chunk_events] : nullptr;
  if (chunk != nullptr && *chunk == nullptr) chunk->reset(new (std::nothrow) TraceEvent[chunk_events]);
  if (chunk == nullptr || *chunk == nullptr) {
    lost_.store(lost_.load(relaxed) + 1, relaxed);
    return;
  }
  (*chunk)[at % chunk_events] = event;
  size_.store(at + 1, release);  // [TRACE-SIZE] TR1
}

void trace_begin(M* mp, G* gp) noexcept {
  if (gp->step_ == nullptr) trace_waited(gp);
  note(mp, TraceKind::begin, gp->id_, std::bit_cast<std::uint64_t>(gp->created_at_));
}

void trace_end(M* mp) noexcept {
  const TraceEnd how = mp->ended_ != nullptr ? TraceEnd::ends : mp->yielded_ != nullptr ? TraceEnd::yields : TraceEnd::waits;
  std::uint64_t reason = 0;
  if (how == TraceEnd::waits && mp->trace_ != nullptr) reason = static_cast<std::uint64_t>(std::exchange(mp->trace_->reason_, WaitReason::none));
  note(mp, TraceKind::end, 0, static_cast<std::uint64_t>(how) | reason << 8);
}

void trace_settle(M* mp, G* guest) noexcept {
  note(mp, TraceKind::end, 0, static_cast<std::uint64_t>(TraceEnd::waits) | static_cast<std::uint64_t>(WaitReason::all) << 8);
  note(mp, TraceKind::begin, guest->id_, std::bit_cast<std::uint64_t>(guest->created_at_));
}

void trace_ready(M* mp, G* gp) noexcept {
  if (mp != nullptr) return note(mp, TraceKind::ready, gp->id_, 0);
  const std::uint32_t session = trace_session.load(acquire);  // [TRACE-SESSION]
  if (session == 0) return;
  LockGuard guard(outside_lock);
  TraceBuffer& buffer = outside();
  if (buffer.session_.load(relaxed) != session) buffer.begin_session(session);  // outside_lock
  buffer.add({now_ns(), gp->id_, 0, TraceKind::ready, -1});
}

void trace_wait(G* gp, WaitReason reason) noexcept {
  if (gp->m_->trace_ != nullptr) gp->m_->trace_->reason_ = reason;
  gp->since_ns_ = now_ns();  // the coarse clock will not do
}

void trace_waited(G* gp) noexcept {
  if ((watches.load(relaxed) & watch_blocks) == 0 || gp->reason_ == WaitReason::none) return;
  note_block(gp, now_ns() - gp->since_ns_);
  gp->reason_ = WaitReason::none;  // it may yield next
}

void trace_blocking(M* mp, bool begins) noexcept { note(mp, begins ? TraceKind::blocking_begin : TraceKind::blocking_end, 0, 0); }
void trace_steal(M* mp, int victim) noexcept { note(mp, TraceKind::steal, 0, static_cast<std::uint64_t>(victim)); }
void trace_poll(M* mp, int completed) noexcept { note(mp, TraceKind::poll, 0, static_cast<std::uint64_t>(completed)); }

void trace_leave(M* mp) noexcept {
  TraceBuffer* buffer = std::exchange(mp->trace_, nullptr);
  if (buffer == nullptr) return;
  LockGuard guard(buffers_lock);
  buffer->owned_ = false;
  if (being_read || (trace_session.load(relaxed) != 0 && buffer->session_.load(relaxed) == last_session)) return;  // TR3
  std::erase_if(buffers(), [buffer](const auto& b) { return b.get() == buffer; });
}

bool trace_session_begin() noexcept {
  LockGuard guard(buffers_lock);
  if (being_read || trace_session.load(relaxed) != 0) return false;
  begun_ns.store(now_ns(), relaxed);
  if (++last_session == 0) ++last_session;
  trace_session.store(last_session, release);  // [TRACE-SESSION]
  watches.fetch_or(watch_trace, relaxed);
  return true;
}

bool trace_session_end(TraceSession& into) {
  LockGuard guard(buffers_lock);
  into.buffers.reserve(buffers().size() + 1);
  if (trace_session.load(relaxed) == 0) return false;
  watches.fetch_and(~std::uint32_t{watch_trace}, relaxed);
  trace_session.store(0, relaxed);
  being_read = true;
  into.begun_ns = begun_ns.load(relaxed);
  into.ended_ns = now_ns();
  const auto take = [&](TraceBuffer& buffer) {
    if (buffer.session_.load(acquire) == last_session) into.buffers.push_back(&buffer);  // [TRACE-BUFFER]
  };
  for (const auto& buffer : buffers()) take(*buffer);
  take(outside());
  return true;
}

void trace_session_forget() noexcept {
  LockGuard guard(buffers_lock);
  being_read = false;
  std::erase_if(buffers(), [](const auto& buffer) { return !buffer->owned_; });
}

}  // namespace gmp::detail
