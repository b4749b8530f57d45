// src/debug/pprof.cpp — the few messages of profile.proto that a profile of waits needs, by hand.
// Go: runtime/pprof/proto.go.  Room: debug (floor 6).
//
// A message is its fields one after the other: a key (number << 3 | kind), then a varint (kind 0), or a length and so many bytes (kind 2).
#include "debug/pprof.hpp"

#include "debug/dump.hpp"

namespace gmp::detail {

namespace {

void varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}
void field(std::string& out, unsigned number, std::uint64_t value) {
  varint(out, number << 3);
  varint(out, value);
}
void field(std::string& out, unsigned number, const std::string& bytes) {
  varint(out, number << 3 | 2);
  varint(out, bytes.size());
  out += bytes;
}

std::string value_type(std::uint64_t type, std::uint64_t unit) {
  std::string out;
  field(out, 1, type);
  field(out, 2, unit);
  return out;
}

}  // namespace

PprofWriter::PprofWriter() { string(""); }  // the first is the empty one

std::uint64_t PprofWriter::string(const std::string& text) {
  const auto [at, fresh] = strings_.try_emplace(text, strings_.size());
  if (fresh) field(table_, 6, text);
  return at->second;
}

std::uint64_t PprofWriter::location(const std::source_location& site) {
  const std::string name = pretty_function(site.function_name());
  const auto [function, new_function] = functions_.try_emplace(name + "\n" + site.file_name(), functions_.size() + 1);
  if (new_function) {
    std::string out;
    field(out, 1, function->second);
    field(out, 2, string(name));
    field(out, 3, string(site.function_name()));
    field(out, 4, string(site.file_name()));
    field(function_list_, 5, out);
  }
  const auto [place, new_place] = locations_.try_emplace(function->first + "\n" + std::to_string(site.line()), locations_.size() + 1);
  if (new_place) {
    std::string line, out;
    field(line, 1, function->second);
    field(line, 2, site.line());
    field(out, 1, place->second);
    field(out, 3, place->second);  // an address of its own: pprof takes those without one for the same
    field(out, 4, line);
    field(location_list_, 4, out);
  }
  return place->second;
}

void PprofWriter::add(const std::vector<std::source_location>& stack, std::int64_t contentions, std::int64_t delay_ns) {
  std::string ids, values, out;
  for (const std::source_location& site : stack) varint(ids, location(site));
  varint(values, static_cast<std::uint64_t>(contentions));
  varint(values, static_cast<std::uint64_t>(delay_ns));
  field(out, 1, ids);
  field(out, 2, values);
  field(samples_, 2, out);
}

std::string PprofWriter::finish(std::int64_t time_ns, std::int64_t duration_ns) {
  const std::string contentions = value_type(string("contentions"), string("count"));
  const std::string delay = value_type(string("delay"), string("nanoseconds"));
  std::string out;
  field(out, 1, contentions);
  field(out, 1, delay);
  out += samples_ + location_list_ + function_list_ + table_;
  field(out, 9, static_cast<std::uint64_t>(time_ns));
  field(out, 10, static_cast<std::uint64_t>(duration_ns));
  field(out, 11, contentions);
  field(out, 12, std::uint64_t{1});
  return out;
}

}  // namespace gmp::detail
