// src/sched/gtable.cpp — all Gs of the process: slabs that are never unmapped, and the list of the dead ones between them.
// Go: runtime/proc.go (allgs, gfput, gfget, goidgen).  Room: sched (floor 2).
//
// Type-stable: a G, once made, stays a G.  A dump may look at any of them at any time, and a stale pointer finds a status, not rubbish.
//   GT1  slabs_ only grows, at its head; a slab's Gs are constructed before it is linked.
//   GT2  a debugger finds all this by gmpcoro_gdb_table: a library that is built for release has no DWARF, and a core file runs no function.  What is added to
//        the table comes before `reasons`, and raises its version; the script knows the order.
#include <cstddef>
#include <cstdint>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "sched/sched.hpp"

namespace gmp::detail {

namespace {

constexpr int slab_gs = 511;  // with the header, 64 KiB

struct Slab {
  Slab* next_ = nullptr;
  int used_ = 0;  // under table_lock
  G gs_[slab_gs];
};
static_assert(sizeof(Slab) <= 64 * 1024);

constinit Lock table_lock;
constinit Atomic<Slab*> slabs{nullptr};
constinit Atomic<std::uint64_t> next_id{1};
constinit Lock extra_lock;  // G::extra_ and GExtra::name_ change under it: a dump reads them of a g that runs
// Lists of dead gs, as they were given: to take one out means to touch its first g alone, which is about to be used.
struct DeadGs {
  static constexpr std::size_t most = 1 << 15;  // of which a million gs that end at once make use
  GList lists_[most];
  std::size_t count_ = 0;
};
constinit DeadGs dead_gs;  // under table_lock

}  // namespace

G* g_from_slab() {
  LockGuard guard(table_lock);
  Slab* slab = slabs.load(relaxed);
  if (slab == nullptr || slab->used_ == slab_gs) {
    auto* fresh = new Slab;
    fresh->next_ = slab;
    slabs.store(fresh, release);  // [GT-SLABS] GT1
    slab = fresh;
  }
  return &slab->gs_[slab->used_++];
}

void gs_to_global(GList& dead) noexcept {
  if (dead.empty()) return;
  LockGuard guard(table_lock);
  if (dead_gs.count_ < DeadGs::most)
    dead_gs.lists_[dead_gs.count_++] = std::exchange(dead, GList());
  else
    dead_gs.lists_[DeadGs::most - 1].append(dead);
}

bool gs_from_global(GList& into) noexcept {
  LockGuard guard(table_lock);
  if (dead_gs.count_ == 0) return false;
  into.append(dead_gs.lists_[--dead_gs.count_]);
  return true;
}

std::uint64_t take_ids(std::uint64_t count) noexcept { return next_id.fetch_add(count, relaxed); }

void for_each_g(void (*fn)(G*, void*), void* context) {
  for (Slab* slab = slabs.load(acquire); slab != nullptr; slab = slab->next_) {  // [GT-SLABS]
    for (G& g : slab->gs_) fn(&g, context);
  }
}

std::vector<G*> gs_of(const Sched* sched) {
  struct Context {
    const Sched* sched;
    std::vector<G*> found;
  } context{sched, {}};
  for_each_g(
      [](G* gp, void* p) {
        auto& c = *static_cast<Context*>(p);
        const Status status = status_in(gp->status_.load(acquire));  // [G-STATUS]
        if (status == Status::idle || status == Status::dead) return;
        // It may have ended just now, and be another's by the time of this load.
        if (c.sched == nullptr || load_shared(gp->sched_) == c.sched) c.found.push_back(gp);
      },
      &context);
  return context.found;
}

GExtra& extra_of(G* gp) {
  if (gp->lent_) ForkJoin::guest_of(gp)->join_->keep_extra(gp);
  if (gp->extra_ == nullptr) {
    auto* fresh = new GExtra;
    LockGuard guard(extra_lock);
    gp->extra_ = fresh;
  }
  return *gp->extra_;
}

void drop_extra(G* gp) noexcept {
  if (gp->extra_ == nullptr) return;
  GExtra* extra = nullptr;
  {
    LockGuard guard(extra_lock);
    extra = std::exchange(gp->extra_, nullptr);
  }
  delete extra;
}

GExtra* swap_extra(G* gp, GExtra* extra) noexcept {
  LockGuard guard(extra_lock);
  return std::exchange(gp->extra_, extra);
}

void set_name(G* gp, std::string name) {
  GExtra& extra = extra_of(gp);
  LockGuard guard(extra_lock);
  extra.name_.swap(name);
}

std::string name_of(G* gp) {
  LockGuard guard(extra_lock);
  return gp->extra_ != nullptr ? gp->extra_->name_ : std::string();
}

static constexpr const char* text_of(WaitReason reason) noexcept {
  switch (reason) {
    case WaitReason::none: return "";
    case WaitReason::io_wait: return "IO wait";
    case WaitReason::chan_receive: return "chan receive";
    case WaitReason::chan_send: return "chan send";
    case WaitReason::chan_receive_nil: return "chan receive (nil chan)";
    case WaitReason::chan_send_nil: return "chan send (nil chan)";
    case WaitReason::select: return "select";
    case WaitReason::select_no_cases: return "select (no cases)";
    case WaitReason::semacquire: return "semacquire";
    case WaitReason::sleep: return "sleep";
    case WaitReason::cond_wait: return "sync.Cond.Wait";
    case WaitReason::mutex_lock: return "sync.Mutex.Lock";
    case WaitReason::rwmutex_rlock: return "sync.RWMutex.RLock";
    case WaitReason::rwmutex_lock: return "sync.RWMutex.Lock";
    case WaitReason::waitgroup_wait: return "sync.WaitGroup.Wait";
    case WaitReason::once: return "sync.Once";
    case WaitReason::join: return "join";
    case WaitReason::suspend: return "suspend";
    case WaitReason::foreign: return "foreign await";
    case WaitReason::all: return "all";
  }
  return "";
}

const char* to_string(WaitReason reason) noexcept { return text_of(reason); }

// ---- for debug/gmpcoro-gdb.py (GT2)

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winvalid-offsetof"  // M has a base; all compilers that we have can

namespace {

struct GdbTable {
  std::uint64_t version;
  const void* slabs;
  std::uint64_t slab_next, slab_gs, slab_gs_count;
  std::uint64_t g_size, g_leaf, g_status, g_reason, g_m, g_last_await, g_id, g_parent_id, g_created_at;
  std::uint64_t frame_parent, frame_site;
  std::uint64_t m_thread;
  const char* reasons[32];
};

constexpr GdbTable layout() noexcept {
  GdbTable table{1, &slabs,
                 offsetof(Slab, next_), offsetof(Slab, gs_), slab_gs,
                 sizeof(G), offsetof(G, leaf_), offsetof(G, status_), offsetof(G, reason_), offsetof(G, m_), offsetof(G, last_await_), offsetof(G, id_),
                 offsetof(G, parent_id_), offsetof(G, created_at_),
                 offsetof(FrameLink, parent_), offsetof(FrameLink, site_),
                 offsetof(M, thread_), {}};
  for (std::uint8_t i = 0; i < 32; ++i) table.reasons[i] = text_of(static_cast<WaitReason>(i));
  return table;
}

}  // namespace

#pragma GCC diagnostic pop

extern "C" {
GMPCORO_EXPORT extern const GdbTable gmpcoro_gdb_table;
[[gnu::used]] constinit const GdbTable gmpcoro_gdb_table = layout();
}

}  // namespace gmp::detail
