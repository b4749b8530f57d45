// tests/model/net.hpp — what net asks of the world: a poller with a kernel behind it, and operations of modelled gs.
// Go: none.  Room: tests/model.
//
// How an op begins, ends and is cancelled is the production's (netpoll/poller.cpp); when it ends is the explorer's choice.  A modelled thread serves
// the poller, for all Ms; it and those who submit are owners in turn, as the M that has the P is.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <system_error>

#include "gmp/detail/base/config.hpp"
#include "gmp/detail/net/fd_operation.hpp"
#include "model/gs.hpp"
#include "model/model.hpp"
#include "net/descriptor.hpp"
#include "netpoll/poller.hpp"

namespace gmp::model {

class ModelPoller : public detail::Poller {
 public:
  ModelPoller();

  void submit(detail::IoOp* op) noexcept override;
  detail::IoOp* poll(std::int64_t timeout_ns, detail::Bell* bell) noexcept override;
  bool peek() const noexcept override { return false; }
  void drain() noexcept override;

  /// Polls and wakes until so many gs are over. Then it is gone, as an executor's poller is when the last of its gs has ended.
  static void serve_until(std::unique_ptr<ModelPoller> poller, Run& run, const int& over, int all);

 private:
  bool has_news() const;
  bool can_end(const detail::IoOp& op) const;
  std::int32_t result_of(detail::IoOp& op);
  void end_what_can(bool all);

  detail::Lock owner_;
  std::array<detail::IoOp*, 4> ops_{};  // in flight
  Run* run_ = nullptr;                  // who chooses; null: nobody serves
  int cancels_seen_ = 0;
  bool shut_seen_ = false;
};

struct ModelFd;

/// What the gs find, and what they leave behind. A body resets it first, then changes it before its threads start.
struct Kernel {
  ModelPoller* poller = nullptr;
  ModelFd* fd = nullptr;                // made last: the one that the poller sees
  int arrived = 0;                      // packets to be read, of one byte each
  int sent = 0;                         // bytes that were written, one by one
  std::size_t to_send = 0;              // so many shall be
  int refusals = 0;                     // so often the answer is EAGAIN
  int without_p = 0;                    // so often a g parks on an M without a P
  int cancels = 0;                      // news for the poller
  detail::Descriptor* shut = nullptr;   // it is being closed: reads find an end as soon as it is shut down
};
extern Kernel kernel;

/// A descriptor with one handle: a socket, or one end of a pipe. At the end of the body it is closed, if nobody has done so.
struct ModelFd : detail::Immovable {
  ModelFd();
  explicit ModelFd(detail::Descriptor* made) : fd(made) { kernel.fd = this; }
  /// The last handle goes: by then nobody uses it, and it was released.
  ~ModelFd();
  void close();
  /// co_await closed(). Then the number is another one's.
  void wait_released();

  detail::Descriptor* const fd;
  Var<int> side;    // of who has the read side
  Var<int> number;  // of who has a reference
};

/// One read or write of a g. What it works with lies in its frame, and is the g's own again when it goes on.
struct ModelOperation {
  using Kind = detail::FdOperation::Kind;
  /// withdrawable: under until().
  ModelOperation(ModelFd& fd, Kind kind, void* data, std::size_t size, bool withdrawable = true);

  /// co_await it, then forget the awaiter.
  void run();
  void finish();
  bool ended_by(errc why) const { return error == make_error_code(why); }

  ModelG g;
  std::unique_ptr<detail::FdOperation> operation;
  std::size_t bytes = 0;
  std::error_code error;
};

}  // namespace gmp::model
