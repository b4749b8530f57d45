// tests/model/mutants.cpp — weakens one access of the production code after the other and looks whether a model notices.
// Go: none.  Room: tests/model.
//
// No copies of the code, and no switches in it: an access knows its place in the source, and the engine lowers the order asked for there.
// Each order is lowered by one step first (seq_cst to acq_rel, acq_rel to acquire and to release): only if that goes unnoticed, by more.
// What is noticed at one step would be at the next, which allows all that and more.
#include <algorithm>
#include <cctype>
#include <cstdio>
#include <set>
#include <tuple>

#include "model/explorer.hpp"

namespace gmp::model {
namespace {

using Order = std::memory_order;

/// The orders just below this one, as far as they mean something for such an access.
std::vector<Order> steps_down(Access access, Order order) {
  switch (order) {
    case std::memory_order_seq_cst:
      if (access == Access::load) return {std::memory_order_acquire};
      if (access == Access::store) return {std::memory_order_release};
      return {std::memory_order_acq_rel};
    case std::memory_order_acq_rel: return {std::memory_order_acquire, std::memory_order_release};
    case std::memory_order_acquire:
    case std::memory_order_release:
    case std::memory_order_consume: return {std::memory_order_relaxed};
    case std::memory_order_relaxed: break;
  }
  return {};
}

class Mutation {
 public:
  Mutation(const std::vector<Model>& models, std::vector<Mutant>& result) : models_(models), result_(result) {}

  /// Explores the models as they are, to learn who reaches what. False if one fails.
  bool reach() {
    for (const Model& model : models_) {
      sites().clear_reached();
      const Result r = explore(model.options, model.body);
      if (!r.failure.empty()) {
        Mutant& m = result_.emplace_back();
        m.weakened = std::string("nothing, and model \"") + model.name + "\" fails";
        m.text = r.failure;
        return false;
      }
      std::set<const Site*>& reached = reached_.emplace_back();
      for (const Site& site : sites().all()) {
        if (site.reached) reached.insert(&site);
      }
    }
    return true;
  }

  bool reached(const Site& site) const {
    for (const auto& sites : reached_) {
      if (sites.contains(&site)) return true;
    }
    return false;
  }

  /// Weakens the access, or its order on failure, from `order` downwards.
  void weaken(Site& site, Order Site::*at_most, Access access, Order order, const char* suffix) {
    for (Order lower : steps_down(access, order)) {
      const std::string weakened = std::string(name(order)) + " -> " + name(lower) + suffix;
      if (known(site, weakened)) continue;
      Mutant m;
      m.file = site.file;
      m.line = site.line;
      m.column = site.column;
      m.text = source_line(site.file, site.line);
      m.weakened = weakened;
      site.*at_most = lower;
      for (std::uint64_t part : {50, 5, 1}) {  // most die soon in one of the models: a little of each first
        for (std::size_t i = 0; i < models_.size() && m.killed_by.empty(); ++i) {
          if (!reached_[i].contains(&site)) continue;
          Options options = models_[i].options;
          options.schedules /= part;
          const Result r = explore(options, models_[i].body);
          m.schedules += r.schedules;
          if (r.failure.empty()) continue;
          m.killed_by = models_[i].name;
          m.how = r.failure.substr(0, r.failure.find('\n'));
        }
      }
      site.*at_most = std::memory_order_seq_cst;
      const bool survived = m.killed_by.empty();
      result_.push_back(std::move(m));
      if (survived) weaken(site, at_most, access, lower, suffix);
    }
  }

 private:
  bool known(const Site& site, const std::string& weakened) const {
    for (const Mutant& m : result_) {
      if (m.line == site.line && m.column == site.column && m.weakened == weakened && m.file == site.file) return true;
    }
    return false;
  }

  const std::vector<Model>& models_;
  std::vector<Mutant>& result_;
  std::vector<std::set<const Site*>> reached_;
};

/// Whether a line of code, comments aside, names an order stronger than relaxed as the argument of something.
bool names_an_order(const std::string& line) {
  const std::string code = line.substr(0, line.find("//"));
  for (const char* order : {"acquire", "release", "acq_rel", "seq_cst"}) {
    const std::string word(order);
    for (std::size_t at = code.find(word); at != std::string::npos; at = code.find(word, at + 1)) {
      const auto part_of_name = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; };
      const std::size_t end = at + word.size();
      const bool starts = at > 0 && !part_of_name(code[at - 1]);
      const bool argument = end < code.size() && (code[end] == ')' || code[end] == ',');
      if (starts && argument) return true;
    }
  }
  return false;
}

}  // namespace

std::vector<Mutant> mutants_of(std::initializer_list<std::string_view> files, const std::vector<Model>& models) {
  std::vector<Mutant> all;
  for (const std::string_view file : files) {
    const std::vector<Mutant> more = mutants(file, models);
    all.insert(all.end(), more.begin(), more.end());
  }
  return all;
}

std::vector<Mutant> mutants(std::string_view file, const std::vector<Model>& models) {
  std::vector<Mutant> result;
  Mutation mutation(models, result);
  if (!mutation.reach()) return result;

  std::vector<Site*> chosen;
  std::set<std::string> files;
  for (Site& site : sites().all()) {
    if (site.file.find(file) == std::string::npos || !mutation.reached(site)) continue;
    chosen.push_back(&site);
    files.insert(site.file);
  }
  for (Site* site : chosen) {
    mutation.weaken(*site, &Site::at_most, site->access, site->order, "");
    if (site->access == Access::compare) mutation.weaken(*site, &Site::failure_at_most, Access::load, site->failure_order, " on failure");
  }
  for (const std::string& name : files) {
    std::set<unsigned> lines;
    for (const Site* site : chosen) {
      if (site->file == name) lines.insert(site->line);
    }
    const auto& text = source_lines(name);
    for (unsigned line = 1; line <= text.size(); ++line) {
      if (lines.contains(line) || !names_an_order(text[line - 1])) continue;
      Mutant& m = result.emplace_back();
      m.file = name;
      m.line = line;
      m.text = source_line(name, line);
      m.weakened = "never reached";
    }
  }
  if (files.empty()) {
    Mutant& m = result.emplace_back();
    m.file = file;
    m.weakened = "never reached";
  }
  std::sort(result.begin(), result.end(), [](const Mutant& a, const Mutant& b) {
    return std::tie(a.file, a.line, a.column, a.weakened) < std::tie(b.file, b.line, b.column, b.weakened);
  });
  return result;
}

std::string unexcused(const std::vector<Mutant>& mutants, const std::vector<Excuse>& excuses) {
  std::string text;
  std::vector<bool> used(excuses.size());
  for (const Mutant& m : mutants) {
    if (!m.killed_by.empty()) continue;
    bool excused = false;
    for (std::size_t i = 0; i < excuses.size(); ++i) {
      if (m.text.find(excuses[i].line) == std::string::npos || m.weakened.find(excuses[i].weakened) == std::string::npos) continue;
      excused = true;
      used[i] = true;
    }
    if (!excused) text += "survived: " + m.file + ":" + std::to_string(m.line) + "  " + m.weakened + "\n    " + m.text + "\n";
  }
  for (std::size_t i = 0; i < excuses.size(); ++i) {
    if (!used[i]) text += "not needed: the excuse for \"" + std::string(excuses[i].line) + "\", " + std::string(excuses[i].weakened) + "\n";
  }
  return text;
}

std::string describe(const std::vector<Mutant>& mutants) {
  std::string text;
  for (const Mutant& m : mutants) {
    const std::size_t slash = m.file.rfind('/');
    char line[400];
    std::snprintf(line, sizeof(line), "%s:%u  %s: %s after %llu runs%s%s  %s\n", m.file.substr(slash == std::string::npos ? 0 : slash + 1).c_str(), m.line,
                  m.weakened.c_str(), m.killed_by.empty() ? "SURVIVED" : "killed", static_cast<unsigned long long>(m.schedules),
                  m.killed_by.empty() ? "" : " by ", m.killed_by.c_str(), m.how.c_str());
    text += line;
  }
  return text;
}

}  // namespace gmp::model
