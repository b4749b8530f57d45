// src/sched/trace.hpp — what the scheduler does, noted while somebody traces it.
// Go: runtime/trace.go, runtime/tracebuf.go.  Room: sched (floor 2).
//
// Each M writes into a buffer of its own, so nothing on the way is locked, and each event says which P the M had.  Off, a hook is one load of a word
// that is hardly ever written.  debug/trace_file.cpp makes slices and arrows of the events.
//   TR1  a buffer's events below size_ are written and never change within a session: who has ended the session may read them while its M, which
//        was just about to note one more, still appends.
//   TR2  an M begins anew when it first notes something in another session; that is begun only when the last one's events have been read.
//   TR3  a buffer lives as long as its M's thread, and if that ends within the session until the session's events have been read.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <source_location>
#include <string>
#include <vector>

#include "gmp/detail/base/atomic.hpp"
#include "gmp/detail/sched/g.hpp"

namespace gmp::detail {

enum class TraceKind : std::uint8_t {
  begin,           // g_ runs on; arg_: where it was created
  end,             // arg_: a TraceEnd, and behind 8 bits the WaitReason
  ready,           // g_ has been made runnable
  blocking_begin,  // the g calls blocking(f)
  blocking_end,
  steal,           // arg_: the id of the P
  poll,            // arg_: how many operations were complete
};
enum class TraceEnd : std::uint8_t { waits, yields, ends };

struct TraceEvent {
  std::int64_t ns_ = 0;
  std::uint64_t g_ = 0;
  std::uint64_t arg_ = 0;
  TraceKind kind_{};
  std::int32_t p_ = -1;  // -1: the M had none
};
static_assert(sizeof(std::source_location) == sizeof(std::uint64_t), "in an event it is its arg_");

class TraceBuffer : Immovable {
 public:
  static constexpr std::size_t chunk_events = 4096, chunks_max = 256;

  TraceBuffer(const void* sched, std::string name, int m) : sched_(sched), name_(std::move(name)), m_(m) {}

  /// By its M. Without memory, or when it is full, the event is lost, and counted.
  void add(const TraceEvent& event) noexcept;
  void begin_session(std::uint32_t session) noexcept;  // TR2

  const TraceEvent& operator[](std::size_t i) const noexcept { return chunks_[i / chunk_events][i % chunk_events]; }

  const void* const sched_;  // its executor: a number, since it may be gone
  const std::string name_;   // its executor's
  const int m_;
  Atomic<std::uint32_t> session_{0};
  Atomic<std::size_t> size_{0};
  Atomic<std::uint64_t> lost_{0};
  WaitReason reason_ = WaitReason::none;  // of the g that is about to park; its M's
  bool owned_ = true;                     // under the list's lock: its M lives

 private:
  std::array<std::unique_ptr<TraceEvent[]>, chunks_max> chunks_;  // filled from the front; kept for the next session
};

/// Who wants to hear of what Ms do: one word for all, since each hook looks at it.
enum Watch : std::uint32_t { watch_trace = 1, watch_blocks = 2 };
extern Atomic<std::uint32_t> watches;
inline bool watched() noexcept { return watches.load(relaxed) != 0; }  // an M that is late by some instructions misses an event

// What an M notes, while watched(). Compiled, and out of the way.
void trace_begin(M* mp, G* gp) noexcept;
void trace_settle(M* mp, G* guest) noexcept;  // its g sleeps in an all(), and a child of it goes on
void trace_end(M* mp) noexcept;        // its g has come back: the M knows how
void trace_ready(M* mp, G* gp) noexcept;  // null: a thread that is no M
void trace_wait(G* gp, WaitReason reason) noexcept;
void trace_waited(G* gp) noexcept;     // its wait is over: at its begin, or after the step that ended it
void trace_blocking(M* mp, bool begins) noexcept;
void trace_steal(M* mp, int victim) noexcept;
void trace_poll(M* mp, int completed) noexcept;
void trace_leave(M* mp) noexcept;      // its thread ends; always

/// An upcall, for watch_blocks: gp, which is about to go on, has waited so long, for gp->reason_. Its frames may be read.
void note_block(G* gp, std::int64_t waited_ns) noexcept;

/// False: somebody traces already.
bool trace_session_begin() noexcept;
/// The session that has ended: its buffers until trace_session_forget(). Empty: there was none. From one thread at a time.
struct TraceSession {
  std::int64_t begun_ns = 0, ended_ns = 0;
  std::vector<TraceBuffer*> buffers{};
};
bool trace_session_end(TraceSession& into);
void trace_session_forget() noexcept;

}  // namespace gmp::detail
