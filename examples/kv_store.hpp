// examples/kv_store.hpp — the keys and values of kv_server.cpp, and when they end: as soon as somebody looks, or when swept.
// Go: a map and a sync.Mutex.
#pragma once

#include <gmp/gmp.hpp>

#include <chrono>
#include <climits>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

inline constexpr long long never = LLONG_MAX;

inline long long now_ms() { return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::milliseconds(1); }

struct Value {
  std::string text;
  long long expires = never;  // by now_ms()
};

struct Store {
  gmp::Mutex mutex;  // for whatever is below
  std::unordered_map<std::string, Value> values;
  std::set<std::pair<long long, const std::string*>> expiring;  // the keys that do, the soonest first

  Value* find(const std::string& key) {
    const auto at = values.find(key);
    if (at == values.end()) return nullptr;
    if (at->second.expires == never || at->second.expires > now_ms()) return &at->second;
    return remove(key), nullptr;
  }
  void expire(const std::string& key, long long when) {  // of one that is there
    const auto at = values.find(key);
    if (at->second.expires != never) expiring.erase({at->second.expires, &at->first});
    if (when != never) expiring.emplace(when, &at->first);
    at->second.expires = when;
  }
  void remove(const std::string& key) { expire(key, never), values.erase(key); }
  bool erase(const std::string& key) { return find(key) && (remove(key), true); }
};
