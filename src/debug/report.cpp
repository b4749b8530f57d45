// src/debug/report.cpp — panics, deadlocks, a stop that takes long: the scheduler's upcalls.
// Go: runtime/panic.go (printpanics, fatalpanic), runtime/proc.go (checkdead).  Room: debug (floor 6).
#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <typeinfo>
#include <vector>

#include <cxxabi.h>

#include <cstdlib>

#include "debug/dump.hpp"
#include "gmp/debug.hpp"
#include "sched/panic.hpp"
#include "sys/os.hpp"
#include "sys/patience.hpp"
#include "sys/traceback.hpp"

namespace gmp::detail {

namespace {

constinit Lock report_lock;  // never unlocked by who ends the process: of two panics at once, one is printed whole

std::string type_name(const std::type_info& type) {
  int status = 0;
  char* name = abi::__cxa_demangle(type.name(), nullptr, nullptr, &status);
  std::string text = status == 0 && name != nullptr ? name : type.name();
  std::free(name);
  return text;
}

// The g's frames are gone: the trail that the exception left on its way up stands for them.
GInfo info_of(G* gp) {
  GInfo info;
  info.id = gp->id_;
  info.parent_id = gp->parent_id_;
  info.created_at = gp->created_at_;
  info.state = "running";
  if (gp->extra_ != nullptr) {
    info.name = gp->extra_->name_;
    for (const std::source_location& site : gp->extra_->trail_) {
      if (site.line() != 0) info.stack.push_back(Frame{pretty_function(site.function_name()), site.file_name(), site.line()});
    }
  }
  return info;
}

}  // namespace

std::string what_of(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const std::exception& error) {
    return error.what();
  } catch (const std::string& text) {
    return text;
  } catch (const char* text) {
    return text;
  } catch (...) {
    const std::type_info* type = abi::__cxa_current_exception_type();
    return type != nullptr ? type_name(*type) : "exception of unknown type";
  }
}

struct LatePanic {
  GInfo info{};
  std::function<void(std::exception_ptr, const GInfo&)> on_panic{};  // the executor may be gone when it is needed
};

namespace {

// All gs but that one (0: all), as far as memory goes: whoever calls is about to end the process.
void write_goroutines(const Sched* sched, std::uint64_t but) noexcept {
  try {
    std::vector<Seen> all = see(sched);
    std::erase_if(all, [but](const Seen& g) { return g.id == but; });
    sys::write_stderr((but != 0 && !all.empty() ? "\n" : "") + format(all));
  } catch (const std::bad_alloc&) {
    sys::write_stderr("gmpcoro: no memory to show the goroutines\n");
  }
}

void panic(const GInfo& info, const std::function<void(std::exception_ptr, const GInfo&)>& on_panic, const std::exception_ptr& thrown) {
  if (on_panic) {
    on_panic(thrown, info);
    return;
  }
  report_lock.lock();
  const sys::Traceback wanted = sys::traceback();
  with_memory([&] {
    std::string text = "panic: " + what_of(thrown) + "\n";
    if (wanted != sys::Traceback::none) text += "\n" + format(info);
    sys::write_stderr(text);
  });
  if (wanted >= sys::Traceback::all) write_goroutines(nullptr, info.id);
  die();
}

}  // namespace

void report_panic(Sched* sched, G* gp, std::exception_ptr thrown) noexcept {
  panic(with_memory([gp] { return info_of(gp); }), sched->options().on_panic, thrown);
}

LatePanic* note_panic(Sched* sched, G* gp) noexcept {
  try {
    auto late = std::make_unique<LatePanic>();
    late->info = info_of(gp);
    late->on_panic = sched->options().on_panic;
    late->info.state = "ended, never joined";
    return late.release();
  } catch (...) {  // no memory, or a handler whose copy throws: then the panic has less to say
    return nullptr;
  }
}

void report_late_panic(const LatePanic* late, std::exception_ptr thrown) noexcept {
  const LatePanic unknown;
  if (late == nullptr) late = &unknown;
  panic(late->info, late->on_panic, thrown);
}

void forget_panic(LatePanic* late) noexcept { delete late; }

void report_deadlock(Sched* sched) noexcept {
  report_lock.lock();
  sys::write_stderr("fatal error: all goroutines are asleep - deadlock!\n");
  if (sys::traceback() != sys::Traceback::none) {
    sys::write_stderr("\n");
    write_goroutines(sched, 0);
  }
  die();
}

void report_quit() noexcept {
  report_lock.lock();
  sys::write_stderr("SIGQUIT: quit\n");
  if (sys::traceback() != sys::Traceback::none) {
    sys::write_stderr("\n");
    write_goroutines(nullptr, 0);
  }
  die();
}

void report_slow_stop(Sched* sched, const std::vector<G*>& busy) {
  std::string text = "gmpcoro: stop of \"" + sched->options().name + "\" waits for " + std::to_string(busy.size()) +
                     " goroutine(s) that compute or block:";
  for (G* gp : busy) text += " " + describe(gp) + ";";
  text.back() = '\n';
  sys::write_stderr(text);
}

std::string describe_hog(G* gp, std::int64_t elapsed_ns, std::int64_t cpu_ns) {
  constexpr std::int64_t ms = 1'000'000;
  const std::source_location last = gp->last_await_.load(relaxed);
  std::string text = "gmpcoro: " + title_of(load_shared(gp->id_), name_of(gp)) + " has run for " + std::to_string(elapsed_ns / ms) + " ms (" + std::to_string(cpu_ns / ms) + " ms of CPU) without a co_await; ";
  // A plain function (of post(), submit(), go(), after_func()) awaits nothing, ever.
  text += last.line() != 0 ? "it awaited last at " + place_of(last) : std::string("it is a plain function, or has awaited nothing yet");
  text += "; created by " + creator_of(load_shared(gp->parent_id_)) + " at " + place_of(load_shared(gp->created_at_));
  return text + "; blocking(f) is for what blocks, yield() for what computes\n";
}

std::string describe(G* gp) {
  std::string text = title_of(gp->id_, {});
  const std::source_location last = gp->last_await_.load(relaxed);
  if (last.line() != 0) text += " at " + place_of(last);
  return text + " created at " + place_of(gp->created_at_);
}

}  // namespace gmp::detail
