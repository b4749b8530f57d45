// examples/kv_server.cpp — a store of keys and values that speaks Redis' protocol: for redis-cli, redis-benchmark, and any client.
// Go: github.com/tidwall/redcon and its example.
//
// Try it:  kv_server --port=6380 &  then  redis-cli -p 6380 set hello world ex 60  and  redis-benchmark -p 6380 -t set,get -P 16
#include <gmp/gmp.hpp>

#include <algorithm>
#include <climits>
#include <iostream>
#include <string>
#include <unordered_map>

#include "resp.hpp"

using namespace gmp;
using namespace std::chrono_literals;
using resp::Answers, resp::Words, resp::same;
using std::string, std::string_view;

constexpr long long never = LLONG_MAX;
long long now_ms() { return std::chrono::steady_clock::now().time_since_epoch() / 1ms; }

struct Value {
  string text;
  long long end = never;  // by now_ms()
};

struct Store {
  Mutex mutex;
  std::unordered_map<string, Value> values;  // under it
  Value* find(const string& key) {
    const auto at = values.find(key);
    if (at == values.end()) return nullptr;
    if (at->second.end == never || at->second.end > now_ms()) return &at->second;
    return values.erase(at), nullptr;
  }
};

using Call = resp::Call<Store>;

// When something ends that has so many units left, of so many ms each. 0: that was no good, and is answered.
long long end_ms(string_view left, long long unit, long long least, string_view command, Answers& out) {
  long long n = 0;
  if (!resp::parse(left, n)) return out.error(resp::not_a_number), 0;
  if (n < least || n > (never - now_ms()) / unit) return out.error("invalid expire time in '" + string(command) + "' command"), 0;
  return std::max(now_ms() + n * unit, 1LL);
}

void value(Call c, const string& key) {
  const Value* value = c.store.find(key);
  value ? c.out.text(value->text) : c.out.line('$', "-1");
}

void set(Call c) {  // SET key value [EX seconds | PX milliseconds]
  const bool ex = c.words.size() == 5 && same(c.words[3], "ex"), px = c.words.size() == 5 && same(c.words[3], "px");
  if (c.words.size() > 3 && !ex && !px) return c.out.error("syntax error");
  const long long end = ex || px ? end_ms(c.words[4], ex ? 1000 : 1, 1, "set", c.out) : never;
  if (end == 0) return;
  Value& value = c.store.values[c.words[1]];
  value.text = c.words[2], value.end = end;
  c.out.line('+', "OK");
}

void incr(Call c) {
  long long n = 0;
  Value* value = c.store.find(c.words[1]);
  if (value && !resp::parse(value->text, n)) return c.out.error(resp::not_a_number);
  if (n == LLONG_MAX) return c.out.error("increment or decrement would overflow");
  (value ? value : &c.store.values[c.words[1]])->text = std::to_string(n + 1);  // its end, if it has one, stays
  c.out.number(n + 1);
}

void expire(Call c) {
  const long long end = end_ms(c.words[2], 1000, -LLONG_MAX / 1000, "expire", c.out);
  Value* value = end != 0 ? c.store.find(c.words[1]) : nullptr;
  if (value) value->end = end;
  if (end != 0) c.out.number(value != nullptr);
}

void ttl(Call c) {
  const Value* value = c.store.find(c.words[1]);
  c.out.number(!value ? -2 : value->end == never ? -1 : (value->end - now_ms() + 500) / 1000);
}

void mget(Call c) {
  c.out.number(std::ssize(c.words) - 1, '*');
  for (std::size_t i = 1; i < c.words.size(); ++i) value(c, c.words[i]);
}

void del(Call c) {
  c.out.number(
      std::count_if(c.words.begin() + 1, c.words.end(), [&](auto& key) { return c.store.find(key) && c.store.values.erase(key); }));
}

constexpr resp::Command<Call> commands[] = {
    {"get", 2, 2, [](Call c) { value(c, c.words[1]); }},
    {"set", 3, INT_MAX, set},
    {"del", 2, INT_MAX, del},
    {"incr", 2, 2, incr},
    {"mget", 2, INT_MAX, mget},
    {"expire", 3, 3, expire},
    {"ttl", 2, 2, ttl},
    {"ping", 1, 2, [](Call c) { c.words.size() == 1 ? c.out.line('+', "PONG") : c.out.text(c.words[1]); }},
    {"echo", 2, 2, [](Call c) { c.out.text(c.words[1]); }},
    {"command", 1, INT_MAX, [](Call c) { c.out.number(0, '*'); }},                                   // none is described
    {"config", 3, 3, [](Call c) { c.out.number(2, '*'), c.out.text(c.words[2]), c.out.text(""); }},  // GET: every setting is empty
    {"info", 1, INT_MAX, [](Call c) { c.out.text("# Keyspace\r\ndb0:keys=" + std::to_string(c.store.values.size()) + "\r\n"); }},
};

Task<> serve(net::Conn conn, Store& store) {
  resp::Client client{conn, {}};
  io::BufReader in{client, 16384};
  for (Words words; co_await resp::read_request(in, words);) {
    if (client.answers.size() > 65536) co_await client.flush();
    const auto guard = co_await store.mutex.scoped_lock();
    resp::execute(commands, Call{store, words, client.answers});
  }
  co_await client.flush();
}

Task<> sweep(Store& store) {  // drops what is over and nobody looks at: part by part, so that nobody waits long
  auto& values = store.values;
  std::size_t part = 0;
  for (Ticker tick(100ms); co_await tick.chan().recv();) {
    const auto guard = co_await store.mutex.scoped_lock();
    const auto over = [now = now_ms()](auto& entry) { return entry.second.end <= now; };
    for (const auto last = part + std::min<std::size_t>(values.bucket_count(), 10'000); part < last; ++part) {
      const std::size_t bucket = part % values.bucket_count();
      const auto at = std::find_if(values.begin(bucket), values.end(bucket), over);
      if (at != values.end(bucket)) values.erase(string(at->first));
    }
  }
}

Task<> listen(string_view port) {
  Store store;
  net::Listener listener = net::listen("tcp", "127.0.0.1:" + string(port)).value();
  std::cout << "listening on " << listener.addr() << std::endl;
  go(sweep, std::ref(store));
  while (true) {
    auto [conn, err] = co_await listener.accept();
    if (!err) go(serve, conn, std::ref(store));
    if (err) co_await gmp::sleep(10ms);  // too many open files, until clients leave
  }
}

int main(int argc, char** argv) {
  const string_view argument = argc > 1 ? argv[1] : "--port=6380";  // 0 picks one
  gmp::run(listen, argument.substr(argument.find('=') + 1));
}
