// tests/unit/io/streams.hpp — streams of a user's making: bytes in pieces, ends, errors; each call is told.
// Go: testing/iotest.  Room: tests/unit/io.
#pragma once

#include <cstddef>
#include <cstring>
#include <deque>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "gmp/go.hpp"
#include "gmp/result.hpp"
#include "gmp/task.hpp"

namespace gmp::test {

/// Gives piece after piece, each in one read or several; then eof, again and again. An empty piece is a read of nothing; a piece with an error gives
/// the error with its last bytes. Suspends now and then. Neither copied nor moved: it must be used in place.
class Pieces {
 public:
  struct Piece {
    Piece(std::string b, std::error_code e = {}) : bytes(std::move(b)), err(e) {}
    Piece(const char* b) : bytes(b) {}
    std::string bytes;
    std::error_code err;
  };
  template <class... P>
  explicit Pieces(P&&... pieces) {
    (pieces_.emplace_back(std::forward<P>(pieces)), ...);
  }
  explicit Pieces(std::vector<std::string> pieces) {
    for (std::string& piece : pieces) pieces_.emplace_back(std::move(piece));
  }
  Pieces(const Pieces&) = delete;
  Pieces& operator=(const Pieces&) = delete;

  void push(Piece piece) { pieces_.push_back(std::move(piece)); }

  Task<Result<std::size_t>> read(std::span<std::byte> buffer) {
    ++reads_;
    largest_ = std::max(largest_, buffer.size());
    if (reads_ % 2 == 0) co_await yield();
    if (pieces_.empty()) co_return Result<std::size_t>(0, make_error_code(errc::eof));
    Piece& piece = pieces_.front();
    const std::size_t n = std::min(buffer.size(), piece.bytes.size());
    std::memcpy(buffer.data(), piece.bytes.data(), n);
    piece.bytes.erase(0, n);
    if (!piece.bytes.empty()) co_return Result<std::size_t>(n);
    const std::error_code err = piece.err;
    pieces_.pop_front();
    if (err) co_return Result<std::size_t>(n, err);
    co_return Result<std::size_t>(n);
  }

  int reads() const noexcept { return reads_; }
  std::size_t largest() const noexcept { return largest_; }  // buffer it was asked to fill

 private:
  std::deque<Piece> pieces_;
  int reads_ = 0;
  std::size_t largest_ = 0;
};

/// Keeps what is written. Fails with `err` once `limit` bytes were taken; takes at most `most` in a call, without saying why.
class Sink {
 public:
  Sink() = default;
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;

  Task<Result<std::size_t>> write(std::span<const std::byte> data) {
    ++writes_;
    if (writes_ % 2 == 0) co_await yield();
    const std::size_t n = std::min({data.size(), most, limit - taken_.size()});
    taken_.append(reinterpret_cast<const char*>(data.data()), n);
    if (n < data.size() && n < most) co_return Result<std::size_t>(n, err);
    co_return Result<std::size_t>(n);
  }

  const std::string& taken() const noexcept { return taken_; }
  int writes() const noexcept { return writes_; }

  std::size_t limit = std::string::npos;
  std::size_t most = std::string::npos;
  std::error_code err = make_error_code(errc::closed);

 private:
  std::string taken_;
  int writes_ = 0;
};

/// As net::Conn a handle, though its stream is a user's.
class SharedPieces {
 public:
  using shared_handle = void;
  explicit SharedPieces(Pieces& pieces) noexcept : pieces_(&pieces) {}
  auto read(std::span<std::byte> buffer) { return pieces_->read(buffer); }

 private:
  Pieces* pieces_;
};

}  // namespace gmp::test
