// include/gmp/io.hpp — BufReader and BufWriter, read_full, read_all, copy: over anything with read and write.
// Go: io, bufio.  Room: io (floor 5).
//
// A stream is anything whose read(buffer) or write(data) can be awaited for a Result<std::size_t>, as those of net::Conn and os::File:
//     Task<Result<std::size_t>> read(std::span<std::byte> buffer);     up to buffer.size() bytes; {0, errc::eof} at the end
//     Task<Result<std::size_t>> write(std::span<const std::byte> data);   all of it, or an error and how much
// A handle (net::Conn) is copied into what uses it; any other lvalue is used in place and must outlive it; an rvalue is moved in.
#pragma once

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

#include "gmp/context.hpp"
#include "gmp/detail/io/buffer.hpp"
#include "gmp/detail/io/chain.hpp"
#include "gmp/detail/io/copy_buffer.hpp"
#include "gmp/detail/io/direct_copy.hpp"
#include "gmp/detail/io/read_buffer.hpp"
#include "gmp/detail/io/write_buffer.hpp"
#include "gmp/detail/task/operation.hpp"
#include "gmp/result.hpp"
#include "gmp/task.hpp"

namespace gmp {

namespace io {
template <class Stream>
class BufReader;
template <class Stream>
class BufWriter;
}  // namespace io

namespace detail {

template <class T>
concept SharedHandle = requires { typename std::remove_cvref_t<T>::shared_handle; };

/// How a stream is kept: S is deduced from an S&& parameter.
template <class S>
using KeptStream = std::conditional_t<std::is_lvalue_reference_v<S> && !SharedHandle<S>, S, std::remove_cvref_t<S>>;

/// Lends a BufReader's or BufWriter's insides to its operations.
struct BufAccess {
  template <class B>
  static auto& buffer(B& b) noexcept {
    return b.buffer_;
  }
  template <class B>
  static auto& stream(B& b) noexcept {
    return b.stream_;
  }
};

// How a want reaches the stream, and how it is told.
struct ByReading {
  template <class B, class Want>
  static decltype(auto) transfer(B& b, Want& want) {
    return BufAccess::stream(b).read(want.target(BufAccess::buffer(b)));
  }
  template <class B, class Want>
  static void done(B& b, Want& want, Result<std::size_t> outcome) {
    want.arrived(BufAccess::buffer(b), outcome);
  }
  template <class B, class Want>
  static auto result(B&, Want& want) {
    return want.result();
  }
};
struct ByWriting {
  template <class B, class Want>
  static decltype(auto) transfer(B& b, Want& want) {
    return BufAccess::stream(b).write(want.source(BufAccess::buffer(b)));
  }
  template <class B, class Want>
  static void done(B& b, Want& want, Result<std::size_t> outcome) {
    want.sent(BufAccess::buffer(b), outcome);
  }
  template <class B, class Want>
  static auto result(B& b, Want& want) {
    return want.result(BufAccess::buffer(b));
  }
};

/// A want of a BufReader or BufWriter whose stream has chainable operations: no frame, however many transfers it takes.
template <class B, class Want, class By>
class [[nodiscard("co_await it")]] BufOp {
 public:
  class Awaiter;
  using operation_tag = void;
  BufOp(B& b, Want want) noexcept : b_(&b), want_(std::move(want)) {}

 private:
  B* b_;
  Want want_;
};

template <class B, class Want, class By>
class BufOp<B, Want, By>::Awaiter : public OperationAwaiter<Awaiter>, public Chainable {
  using Base = OperationAwaiter<Awaiter>;
  using Transfer = decltype(By::transfer(std::declval<B&>(), std::declval<Want&>()));

 public:
  using tells_by_result = void;
  Awaiter(G* gp, BufOp&& op) noexcept : Base(gp), b_(*op.b_), want_(std::move(op.want_)), gp_(gp) {}

  bool await_ready() noexcept { return Base::undisturbed() && want_.take(BufAccess::buffer(b_)); }
  bool suspend(FrameLink& leaf) noexcept { return begin(&leaf) || give_way(this->g_, leaf); }
  auto await_resume() { return By::result(b_, want_); }

  // chain.hpp
  bool begin(FrameLink* leaf) noexcept {
    while (!want_.take(BufAccess::buffer(b_))) {
      transfer_.emplace(gp_, By::transfer(b_, want_));
      transfer_->then(&Awaiter::transferred, this);
      if (transfer_->begin(leaf)) return true;
      take_outcome();
    }
    return false;
  }

 private:
  static bool transferred(void* awaiter) noexcept {
    Awaiter& self = *static_cast<Awaiter*>(awaiter);
    self.take_outcome();
    return !self.begin(nullptr) && self.over();
  }
  void take_outcome() noexcept {
    By::done(b_, want_, transfer_->await_resume());
    transfer_.reset();
  }

  B& b_;
  Want want_;
  std::optional<typename Transfer::Awaiter> transfer_;
  G* const gp_;  // as g_, which it has only if it was awaited itself, and is no part of another one
};

/// Goes on from where want.take() has said that the stream must be asked.
template <class By, class B, class Want>
Task<> buf_task(B& b, Want& want) {
  do By::done(b, want, co_await By::transfer(b, want));
  while (!want.take(BufAccess::buffer(b)));
}

/// The same for any other stream, whose transfers are awaited by a Task: of which there is none if the buffer has what is wanted.
template <class B, class Want, class By>
class [[nodiscard("co_await it")]] BufTaskOp {
 public:
  class Awaiter;
  using operation_tag = void;
  BufTaskOp(B& b, Want want) noexcept : b_(&b), want_(std::move(want)) {}

 private:
  B* b_;
  Want want_;
};

template <class B, class Want, class By>
class BufTaskOp<B, Want, By>::Awaiter : Immovable {
 public:
  Awaiter(G* gp, BufTaskOp&& op) noexcept : gp_(gp), b_(*op.b_), want_(std::move(op.want_)) {}

  bool await_ready() noexcept { return attention.load(relaxed) == 0 && want_.take(BufAccess::buffer(b_)); }  // a hint, as in operation.hpp
  template <class Promise>
  GMPCORO_NOINLINE std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> frame) {
    frame.promise().suspends();
    if (want_.take(BufAccess::buffer(b_))) return give_way(gp_, frame.promise()) ? std::noop_coroutine() : std::coroutine_handle<>(frame);
    Task<> task = buf_task<By>(b_, want_);
    child_.emplace(TaskAccess::release(task));
    return child_->await_suspend(frame);
  }
  auto await_resume() {
    if (child_) child_->await_resume();
    return By::result(b_, want_);
  }

 private:
  G* const gp_;
  B& b_;
  Want want_;
  std::optional<TaskAwaiter<void>> child_;
};

template <class By, class B, class Want>
auto buf_operation(B& b, Want want) {
  if constexpr (ChainableOperation<decltype(By::transfer(b, want))>)
    return BufOp<B, Want, By>(b, std::move(want));
  else
    return BufTaskOp<B, Want, By>(b, std::move(want));
}

}  // namespace detail

namespace io {

inline constexpr std::size_t buffer_size_default = 4096;      // Go: bufio.defaultBufSize
inline constexpr std::size_t buffer_limit_default = 64 * 1024;  // Go: bufio.MaxScanTokenSize

/// Reads a stream by way of a buffer: `io::BufReader r{conn};`.
///
///     while (true) {
///       auto [line, err] = co_await r.read_line();
///       if (err) break;
///
/// What it gives as a std::string_view lies in the buffer, and is valid until the next call. Where the buffer has what is asked for, nothing
/// suspends. The buffer has `size` bytes, made when first needed, and grows up to `limit` for a long line; a longer one is errc::buffer_full,
/// so that a peer cannot make it grow without bounds. Except at the end of the stream nothing is lost by an error: after a timeout one may call
/// again. Used by one g at a time. Not to be moved while something is awaited.      Go: bufio.Reader, bufio.Scanner.
template <class Stream>
class BufReader {
 public:
  template <class S>
    requires(!std::same_as<std::remove_cvref_t<S>, BufReader>)
  explicit BufReader(S&& stream, std::size_t size = buffer_size_default, std::size_t limit = buffer_limit_default)
      : stream_(std::forward<S>(stream)), buffer_(size, limit) {}

  /// The next line, without its \n or \r\n. The last one may lack it; after it {"", errc::eof}.
  auto read_line() { return operation(detail::WantUntil(detail::WantUntil::line_end)); }
  /// The bytes up to and with the delimiter; if the stream ends before it: those that are left, and errc::eof.      Go: ReadSlice.
  auto read_until(char delimiter) { return operation(detail::WantUntil(static_cast<unsigned char>(delimiter))); }
  /// The next n bytes, which stay unread; fewer only with an error.      Go: Peek.
  auto peek(std::size_t n) { return operation(detail::WantPeek(n)); }
  /// What is in the buffer; if it is empty, one read of the stream.      Go: Read.
  auto read(Buffer buffer) { return operation(detail::WantRead(buffer)); }
  /// Reads n bytes and drops them; fewer only with an error.      Go: Discard.
  auto discard(std::size_t n) { return operation(detail::WantDiscard(n)); }

  /// Bytes that can be had without reading the stream.      Go: Buffered.
  std::size_t buffered() const noexcept { return buffer_.size(); }
  std::remove_reference_t<Stream>& stream() noexcept { return stream_; }

 private:
  friend detail::BufAccess;
  template <class Want>
  auto operation(Want want) {
    return detail::buf_operation<detail::ByReading>(*this, std::move(want));
  }
  Stream stream_;
  detail::ReadBuffer buffer_;
};

template <class S, class... Sizes>
BufReader(S&&, Sizes...) -> BufReader<detail::KeptStream<S>>;

/// Writes to a stream by way of a buffer: `io::BufWriter w{conn};`.
///
///     co_await w.write("hello, ");
///     co_await w.write(name);
///     auto err = co_await w.flush();
///
/// write() suspends only if the buffer, of `size` bytes, is full. After an error of the stream every call gives that error. Destroying it flushes
/// nothing: a destructor cannot wait. Used by one g at a time. Not to be moved while something is awaited.      Go: bufio.Writer.
template <class Stream>
class BufWriter {
 public:
  template <class S>
    requires(!std::same_as<std::remove_cvref_t<S>, BufWriter>)
  explicit BufWriter(S&& stream, std::size_t size = buffer_size_default) : stream_(std::forward<S>(stream)), buffer_(size) {}

  /// Gives data.size(), or how much of it was taken, and the error.
  auto write(ConstBuffer data) { return operation(detail::WantWrite(data)); }
  /// Writes what is held back to the stream; gives its std::error_code, and failure() all of it.
  auto flush() { return operation(detail::WantFlush()); }

  /// Bytes held back.      Go: Buffered.
  std::size_t buffered() const noexcept { return buffer_.size(); }
  /// The error that ended it, in full.
  const Result<void>& failure() const noexcept { return buffer_.failure(); }
  std::remove_reference_t<Stream>& stream() noexcept { return stream_; }

 private:
  friend detail::BufAccess;
  template <class Want>
  auto operation(Want want) {
    return detail::buf_operation<detail::ByWriting>(*this, std::move(want));
  }
  Stream stream_;
  detail::WriteBuffer buffer_;
};

template <class S, class... Sizes>
BufWriter(S&&, Sizes...) -> BufWriter<detail::KeptStream<S>>;

}  // namespace io

namespace detail {

/// How the functions below await a stream: as it is, or until a context is done.
struct Unbounded {
  template <class Awaitable>
  static Awaitable&& of(Awaitable&& awaitable) noexcept {  // no copy: each would have a place in the frame
    return std::forward<Awaitable>(awaitable);
  }
  static Context context() noexcept { return {}; }
};
class Within {
 public:
  explicit Within(Context ctx) noexcept : ctx_(std::move(ctx)) {}
  template <class Awaitable>
  auto of(Awaitable awaitable) const {
    if constexpr (Operation<Awaitable>)
      return until(ctx_, std::move(awaitable));
    else
      return unless_done(ctx_, std::move(awaitable));
  }
  const Context& context() const noexcept { return ctx_; }

 private:
  /// A Task runs to its end; but none is begun when it is too late.
  template <class Awaitable>
  static Task<Result<std::size_t>> unless_done(Context ctx, Awaitable awaitable) {
    const std::error_code why = ctx.err();
    if (why) co_return Result<std::size_t>(why);
    co_return co_await std::move(awaitable);
  }
  Context ctx_;
};

template <class Source, class Bound>
Task<Result<std::size_t>> read_full_task(Source source, io::Buffer buffer, Bound bound) {
  std::size_t done = 0;
  while (done < buffer.size()) {
    auto outcome = co_await bound.of(source.read(buffer.from(done)));
    done += outcome.template get<0>();
    if (outcome || done == buffer.size()) continue;
    if (outcome.err == errc::eof && done != 0) co_return Result<std::size_t>(done, make_error_code(errc::unexpected_eof));
    outcome.template get<0>() = done;
    co_return outcome;
  }
  co_return Result<std::size_t>(done);
}

template <class Source, class Bound>
Task<Result<std::string>> read_all_task(Source source, Bound bound) {
  std::string all;
  for (std::size_t end = 0;;) {
    if (end == all.size()) all.resize(all.empty() ? 512 : 2 * all.size());
    auto outcome = co_await bound.of(source.read(io::Buffer(all.data() + end, all.size() - end)));
    end += outcome.template get<0>();
    if (outcome) continue;
    all.resize(end);
    if (outcome.err == errc::eof) co_return Result<std::string>(std::move(all));
    Result<std::string> failed(static_cast<const ResultBase&>(outcome));
    failed.template get<0>() = std::move(all);
    co_return failed;
  }
}

inline Result<std::uint64_t> failed_copy(std::uint64_t copied, const ResultBase& failure) {
  Result<std::uint64_t> failed(failure);
  failed.get<0>() = copied;
  return failed;
}

/// Past user space, as long as that pays; null: by read and write from here on.  A coroutine of its own, for its frame would be part of each idle
/// connection's that is copied.
template <class Destination, class Source, class Bound>
Task<std::unique_ptr<Result<std::uint64_t>>> copy_past_us(const Destination& destination, const Source& source, const Bound& bound, std::uint64_t& copied,
                                                          bool& has_way) {
  DirectCopy direct = co_await copy_directly(destination.copy_end(), source.copy_end(), bound.context());
  copied += direct.copied;
  if (!direct.failure) co_return std::make_unique<Result<std::uint64_t>>(failed_copy(copied, direct.failure));
  if (direct.then == DirectCopy::Then::over) co_return std::make_unique<Result<std::uint64_t>>(copied);
  has_way = direct.then == DirectCopy::Then::read_on;
  co_return nullptr;
}

template <class Destination, class Source, class Bound>
Task<Result<std::uint64_t>> copy_task(Destination destination, Source source, Bound bound) {
  CopyBuffer buffer;
  std::uint64_t copied = 0;
  [[maybe_unused]] bool has_way = true;
  [[maybe_unused]] bool first = true;
  for (;;) {
    if constexpr (MayCopyDirectly<std::remove_reference_t<Destination>, std::remove_reference_t<Source>>) {
      if (has_way && (buffer.flows() || (first && source.copy_end().sends_at_once()))) {
        const auto end = co_await copy_past_us(destination, source, bound, copied, has_way);
        if (end != nullptr) co_return std::move(*end);
        buffer.forget();
      }
      first = false;
    }
    auto in = co_await bound.of(source.read(buffer.space()));
    const std::size_t n = in.template get<0>();
    if (n != 0) {
      auto out = co_await bound.of(destination.write(buffer.arrived(n)));
      copied += out.template get<0>();
      if (!out) co_return failed_copy(copied, out);
      if (out.template get<0>() < n) co_return Result<std::uint64_t>(copied, make_error_code(errc::short_write));
    }
    if (in) continue;
    if (in.err == errc::eof) co_return Result<std::uint64_t>(copied);
    co_return failed_copy(copied, in);
  }
}

}  // namespace detail

namespace io {

// Each of these may be given a Context: when it is done, the read or write in progress is given up, and the error is the context's. What went or came
// until then counts.  (Of a stream of the user's making, whose read is a Task, the one in progress is waited for.)

/// Fills the buffer: `auto [n, err] = co_await io::read_full(conn, buf);`. If the stream ends in the middle: how much came, and
/// errc::unexpected_eof; if it ends at once: {0, errc::eof}.      Go: io.ReadFull.
template <class Source>
Task<Result<std::size_t>> read_full(Source&& source, Buffer buffer) {
  return detail::read_full_task<detail::KeptStream<Source>>(std::forward<Source>(source), buffer, detail::Unbounded());
}
template <class Source>
Task<Result<std::size_t>> read_full(Source&& source, Buffer buffer, Context ctx) {
  return detail::read_full_task<detail::KeptStream<Source>>(std::forward<Source>(source), buffer, detail::Within(std::move(ctx)));
}

/// Reads to the end: a Result<std::string>. The end is no error; after another one there is what came before it.      Go: io.ReadAll.
template <class Source>
Task<Result<std::string>> read_all(Source&& source) {
  return detail::read_all_task<detail::KeptStream<Source>>(std::forward<Source>(source), detail::Unbounded());
}
template <class Source>
Task<Result<std::string>> read_all(Source&& source, Context ctx) {
  return detail::read_all_task<detail::KeptStream<Source>>(std::forward<Source>(source), detail::Within(std::move(ctx)));
}

/// Reads source to its end and writes it to destination; gives how many bytes went. The end is no error. After an error of the destination what
/// was read and not yet written is lost. Between connections, pipes and files much data goes past user space: by sendfile(2) and splice(2).
///      Go: io.Copy.
template <class Destination, class Source>
Task<Result<std::uint64_t>> copy(Destination&& destination, Source&& source) {
  return detail::copy_task<detail::KeptStream<Destination>, detail::KeptStream<Source>>(std::forward<Destination>(destination),
                                                                                      std::forward<Source>(source), detail::Unbounded());
}
template <class Destination, class Source>
Task<Result<std::uint64_t>> copy(Destination&& destination, Source&& source, Context ctx) {
  return detail::copy_task<detail::KeptStream<Destination>, detail::KeptStream<Source>>(
      std::forward<Destination>(destination), std::forward<Source>(source), detail::Within(std::move(ctx)));
}

}  // namespace io
}  // namespace gmp
