// examples/kv_server.cpp — a store of keys and values that speaks Redis' protocol: for redis-cli, redis-benchmark, and any client.
// Go: github.com/tidwall/redcon and its example.
//
// Try it:  kv_server --port=6380 &  then  redis-cli -p 6380 set hello world ex 60  and  redis-benchmark -p 6380 -t set,get -P 16
#include <gmp/gmp.hpp>

#include <algorithm>
#include <climits>
#include <iostream>
#include <string>

#include "kv_store.hpp"
#include "resp.hpp"

using namespace gmp;
using namespace std::chrono_literals;
using resp::Answers, resp::Words, resp::same;
using std::string, std::string_view;

// When something ends that has so many units left, of so many ms each. 0: that was no good, and is answered.
long long end_ms(string_view n, long long unit, long long least, string_view command, Answers& out) {
  long long left = 0;
  if (!resp::parse(n, left)) return out.error(resp::not_a_number), 0;
  if (left < least || left > (never - now_ms()) / unit) return out.error("invalid expire time in '" + string(command) + "' command"), 0;
  return std::max(now_ms() + left * unit, 1LL);
}

struct Call {
  Store& store;
  const Words& words;
  Answers& out;
};

void value(Call c, const string& key) {
  const Value* value = c.store.find(key);
  value ? c.out.text(value->text) : c.out.line('$', "-1");
}

void set(Call c) {  // SET key value [EX seconds | PX milliseconds]
  const bool ex = c.words.size() == 5 && same(c.words[3], "ex"), px = c.words.size() == 5 && same(c.words[3], "px");
  if (c.words.size() > 3 && !ex && !px) return c.out.error("syntax error");
  const long long end = ex || px ? end_ms(c.words[4], ex ? 1000 : 1, 1, "set", c.out) : never;
  if (end == 0) return;
  c.store.values[c.words[1]].text = c.words[2];
  c.store.expire(c.words[1], end);
  c.out.line('+', "OK");
}

void incr(Call c) {
  long long n = 0;
  const Value* value = c.store.find(c.words[1]);
  if (value && !resp::parse(value->text, n)) return c.out.error(resp::not_a_number);
  if (n == LLONG_MAX) return c.out.error("increment or decrement would overflow");
  c.store.values[c.words[1]].text = std::to_string(n + 1);  // its end, if it has one, stays
  c.out.number(n + 1);
}

void expire(Call c) {
  const long long end = end_ms(c.words[2], 1000, -LLONG_MAX / 1000, "expire", c.out);
  const bool found = end != 0 && c.store.find(c.words[1]);
  if (found) c.store.expire(c.words[1], end);
  if (end != 0) c.out.number(found);
}

void ttl(Call c) {
  const Value* value = c.store.find(c.words[1]);
  c.out.number(!value ? -2 : value->expires == never ? -1 : (value->expires - now_ms() + 500) / 1000);
}

void mget(Call c) {
  c.out.number(static_cast<long long>(c.words.size()) - 1, '*');
  for (std::size_t i = 1; i < c.words.size(); ++i) value(c, c.words[i]);
}

void config(Call c) {  // CONFIG GET: every setting is empty
  if (!same(c.words[1], "get")) return c.out.error("unknown subcommand '" + c.words[1] + "'. Try CONFIG HELP.");
  c.out.number(2, '*'), c.out.text(c.words[2]), c.out.text("");
}

void info(Call c) {
  const string keys = std::to_string(c.store.values.size()), expires = std::to_string(c.store.expiring.size());
  c.out.text("# Server\r\nredis_version:7.0.0\r\n# Keyspace\r\ndb0:keys=" + keys + ",expires=" + expires + ",avg_ttl=0\r\n");
}

constexpr struct Command {
  string_view name;
  std::size_t least, most;  // words, with the name
  void (*run)(Call);
} commands[] = {
    {"get", 2, 2, [](Call c) { value(c, c.words[1]); }},
    {"set", 3, INT_MAX, set},
    {"del", 2, INT_MAX,
     [](Call c) { c.out.number(std::count_if(c.words.begin() + 1, c.words.end(), [&](auto& key) { return c.store.erase(key); })); }},
    {"incr", 2, 2, incr},
    {"mget", 2, INT_MAX, mget},
    {"expire", 3, 3, expire},
    {"ttl", 2, 2, ttl},
    {"ping", 1, 2, [](Call c) { c.words.size() == 1 ? c.out.line('+', "PONG") : c.out.text(c.words[1]); }},
    {"echo", 2, 2, [](Call c) { c.out.text(c.words[1]); }},
    {"command", 1, INT_MAX, [](Call c) { c.out.number(0, '*'); }},  // none is described
    {"config", 3, 3, config},
    {"info", 1, INT_MAX, info},
};

void execute(Call c) {
  const auto command = std::find_if(std::begin(commands), std::end(commands), [&](auto& known) { return same(c.words[0], known.name); });
  if (command == std::end(commands)) return c.out.unknown_command(c.words);
  if (c.words.size() < command->least || c.words.size() > command->most) return c.out.wrong_count(command->name);
  command->run(c);
}

Task<> serve(net::Conn conn, Store& store) {
  resp::Client client{conn, {}};
  io::BufReader in{client, 16384};
  for (Words words; co_await resp::read_request(in, words);) {
    if (words.empty()) continue;
    auto guard = co_await store.mutex.scoped_lock();
    execute({store, words, client.answers});
    guard.unlock();
    if (client.answers.size() > 65536) co_await client.flush();
  }
  co_await client.flush();
}

Task<> sweep(Store& store) {
  for (Ticker tick(100ms); co_await tick.chan().recv();) {
    auto guard = co_await store.mutex.scoped_lock();
    for (int most = 10'000; most > 0 && !store.expiring.empty() && store.expiring.begin()->first <= now_ms(); --most)
      store.remove(string(*store.expiring.begin()->second));
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
