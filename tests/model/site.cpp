// tests/model/site.cpp — see site.hpp.
// Go: none.  Room: tests/model.
#include "model/site.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

namespace gmp::model {
namespace {

// relaxed 0, acquire 1, release 2, acq_rel 3, seq_cst 7: then meet and join are those of bit sets.
unsigned bits(std::memory_order order) noexcept {
  switch (order) {
    case std::memory_order_relaxed: return 0;
    case std::memory_order_consume:
    case std::memory_order_acquire: return 1;
    case std::memory_order_release: return 2;
    case std::memory_order_acq_rel: return 3;
    case std::memory_order_seq_cst: break;
  }
  return 7;
}

std::memory_order order_of(unsigned bits) noexcept {
  switch (bits) {
    case 0: return std::memory_order_relaxed;
    case 1: return std::memory_order_acquire;
    case 2: return std::memory_order_release;
    case 3: return std::memory_order_acq_rel;
  }
  return std::memory_order_seq_cst;
}

/// A compiler cache may have made it relative to the build folder, and of one file only.
std::string absolute(const std::string& file) { return (std::filesystem::path(GMPCORO_BUILD_DIR) / file).lexically_normal(); }

}  // namespace

std::memory_order meet(std::memory_order a, std::memory_order b) noexcept { return order_of(bits(a) & bits(b)); }
std::memory_order join(std::memory_order a, std::memory_order b) noexcept { return order_of(bits(a) | bits(b)); }

const char* name(std::memory_order order) noexcept {
  static constexpr const char* names[] = {"relaxed", "acquire", "release", "acq_rel"};
  return bits(order) < 4 ? names[bits(order)] : "seq_cst";
}

Sites& sites() {
  static Sites all;
  return all;
}

Site& Sites::at(const Where& where, Access access) {
  std::uint64_t hash = (reinterpret_cast<std::uintptr_t>(where.file_name()) ^ where.line() * 0x9e3779b9u ^ where.column() * 0x85ebca6bu) *
                       0x9e3779b97f4a7c15;
  for (std::size_t i = hash >> 51;; ++i) {
    Slot& slot = slots_[i & (slots_.size() - 1)];
    if (slot.line == where.line() && slot.column == where.column() && slot.file == where.file_name()) return *slot.site;
    if (slot.site == nullptr) {
      if (++used_ > slots_.size() / 2) std::abort();  // more code than was ever thought of
      slot = {where.file_name(), where.line(), where.column(), &find_or_add(where, access)};
      return *slot.site;
    }
  }
}

Site& Sites::find_or_add(const Where& where, Access access) {
  std::string file = absolute(where.file_name());
  for (Site& site : sites_) {
    if (site.line == where.line() && site.column == where.column() && site.file == file) return site;
  }
  Site& site = sites_.emplace_back();
  site.file = std::move(file);
  site.function = where.function_name();
  site.line = where.line();
  site.column = where.column();
  site.access = access;
  return site;
}

void Sites::clear_reached() noexcept {
  for (Site& site : sites_) site.reached = false;
}

const std::vector<std::string>& source_lines(const std::string& file) {
  static std::map<std::string, std::vector<std::string>> files;
  auto [it, fresh] = files.try_emplace(file);
  if (fresh) {
    std::ifstream in(absolute(file));
    for (std::string line; std::getline(in, line);) it->second.push_back(line);
  }
  return it->second;
}

std::string source_line(const std::string& file, unsigned line) {
  const auto& lines = source_lines(file);
  if (line == 0 || line > lines.size()) return "";
  const std::string& text = lines[line - 1];
  const std::size_t first = text.find_first_not_of(' ');
  return first == std::string::npos ? "" : text.substr(first);
}

}  // namespace gmp::model
