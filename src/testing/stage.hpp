// src/testing/stage.hpp — Stage: an executor on the calling thread, in virtual time, that plays a test and says how it ended.
// Go: runtime/synctest.go (synctestRun).  Room: testing (floor 6).
//
// One Stage plays any number of schedules, one after the other, as long as they leave no g behind: what is made and taken down for each is only gs.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <source_location>
#include <string>
#include <vector>

#include "gmp/executor.hpp"
#include "gmp/testing.hpp"
#include "sched/environment.hpp"
#include "testing/strategy.hpp"

namespace gmp::detail {

class Stage final : Environment {
 public:
  /// How a test ended. Neither: well.
  struct End {
    std::exception_ptr thrown{};  // by its main g
    std::string trouble{};        // in words, with a dump
    bool well() const noexcept { return thrown == nullptr && trouble.empty(); }
  };

  /// called: for the text of std::logic_error, which it throws on a g and inside another stage. chooses: for a Strategy.
  Stage(const char* called, bool chooses);
  ~Stage();

  /// Unless it ends well, it was the last. seed: for a stage that chooses. recorded: see steps().
  End play(const TestFunction& make, std::source_location where, std::uint64_t seed = 0, bool recorded = false);

  /// Of the last one played: the order in which gs ran, as a number, and in words if it was recorded.
  std::uint64_t trace() const noexcept { return trace_; }
  std::string steps() const;
  const Strategy& strategy() const noexcept { return strategy_; }

 private:
  struct Step {
    std::uint64_t id;  // 0: a timer
    std::source_location at;
    std::string name;
    const char* fault = nullptr;  // or this happened
  };
  struct Panic {
    std::exception_ptr thrown{};
    GInfo info{};
  };

  bool over() noexcept override;
  bool time_stands() noexcept override;
  std::size_t choose(const std::vector<G*>& runnable) noexcept override;
  void yielded(G* gp) noexcept override;
  void threw(G* gp, std::exception_ptr thrown) noexcept override;
  std::uint32_t draw(std::uint32_t n) noexcept override;
  bool fault(const char* what) noexcept override;
  static Options options(const std::shared_ptr<Panic>& panic);
  Task<> main(const TestFunction& make);
  std::size_t choose_and_note(const std::vector<G*>& runnable);

  const std::shared_ptr<Panic> panic_ = std::make_shared<Panic>();  // an unjoined handle that outlives us may still report to it
  Executor executor_;
  Sched& sched_;
  Strategy strategy_;
  std::int64_t begin_ns_ = 0;
  bool ended_ = false;           // the main g has
  std::exception_ptr thrown_{};  // and this has left it
  std::vector<std::uint64_t> ids_;
  std::uint64_t trace_ = 0;
  std::uint64_t resumed_ = 0;
  bool recorded_ = false;
  std::vector<Step> steps_;
};

}  // namespace gmp::detail
