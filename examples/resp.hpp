// examples/resp.hpp — Redis' protocol, for a server (kv_server.cpp) and for a client (redis_client.cpp).
// Go: github.com/tidwall/redcon, github.com/redis/rueidis.
#pragma once

#include <gmp/gmp.hpp>

#include <algorithm>
#include <charconv>
#include <climits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace resp {

using std::string, std::string_view;
using Words = std::vector<string>;  // of a request

constexpr string_view not_a_number = "value is not an integer or out of range";

inline bool same(string_view word, string_view small) {  // in capitals or not
  return std::equal(word.begin(), word.end(), small.begin(), small.end(), [](char x, char y) { return (x | 0x20) == y; });
}
inline bool parse(string_view word, long long& n) {  // each number can be written in one way only
  const auto [end, err] = std::from_chars(word.begin(), word.end(), n);
  return err == std::errc() && end == word.end() && (word == "0" || !(word.starts_with('0') || word.starts_with("-0")));
}

struct Answers : string {
  void line(char kind, string_view text) { ((*this += kind) += text) += "\r\n"; }
  void number(long long n, char kind = ':') { line(kind, std::to_string(n)); }
  void text(string_view text) { number(static_cast<long long>(text.size()), '$'), (*this += text) += "\r\n"; }
  void error(string_view what) {
    line('-', "ERR " + string(what));
    for (char& c : std::span(*this).last(what.size() + 2).first(what.size()))
      if (c == '\r' || c == '\n') c = ' ';
  }
  void unknown_command(const Words& words) {
    string rest;
    for (std::size_t i = 1; i < words.size() && rest.size() < 128; ++i) rest += "'" + words[i].substr(0, 128 - rest.size()) + "' ";
    error("unknown command '" + words[0].substr(0, 128) + "', with args beginning with: " + rest);
  }
  void wrong_count(string_view command) { error("wrong number of arguments for '" + string(command) + "' command"); }
};

struct Client {  // gets all its answers by one write, before it is waited for
  gmp::net::Conn conn;
  Answers answers;
  gmp::Task<gmp::Result<std::size_t>> read(gmp::io::Buffer buffer) {
    co_await flush();
    co_return co_await conn.read(buffer);
  }
  gmp::Task<> flush() {
    auto [n, err] = co_await conn.write(answers);  // if it has left, read() will say so
    answers.clear();
    if (answers.capacity() > 65536) answers.shrink_to_fit();
  }
};

/// A command that takes that many words, with its name.
template <class Call>
struct Command {
  string_view name;
  std::size_t least, most;
  void (*run)(Call);
};

/// What a command is called with.
template <class Store>
struct Call {
  Store& store;
  const Words& words;
  Answers& out;
};

template <class Call, std::size_t n>
void execute(const Command<Call> (&commands)[n], Call call) {
  const Words& words = call.words;
  if (words.empty()) return;  // nothing is no request
  const auto command = std::find_if(std::begin(commands), std::end(commands), [&](auto& known) { return same(words[0], known.name); });
  if (command == std::end(commands)) return call.out.unknown_command(words);
  if (words.size() < command->least || words.size() > command->most) return call.out.wrong_count(command->name);
  command->run(call);
}

constexpr int most_words = INT_MAX, most_bytes = 512 << 20;

// Reads a word of that size, and its \r\n. False: the connection ended.
template <class Stream>
gmp::Task<bool> read_text(gmp::io::BufReader<Stream>& in, long long size, string& word) {
  for (std::size_t got = 0, all = static_cast<std::size_t>(size) + 2; got < all;) {
    word.resize(std::min(all, got + 65536));  // not much more memory than has come
    auto [n, cut] = co_await in.read(gmp::io::Buffer(word).from(got));
    if (cut) co_return false;
    got += n;
  }
  word.resize(word.size() - 2);
  co_return true;
}

// Reads "*2\r\n$3\r\nGET\r\n$5\r\nhello\r\n", or a line of words. False: that was the last request.
inline gmp::Task<bool> read_request(gmp::io::BufReader<Client&>& in, Words& words) {
  const auto broken = [&](const string& why) { return in.stream().answers.error("Protocol error: " + why), false; };
  words.clear();
  auto [first, end] = co_await in.read_line();
  if (end == gmp::errc::buffer_full) broken("too big inline request");
  if (end) co_return false;
  if (!first.starts_with('*')) {
    for (std::size_t from = 0, to = 0; (from = first.find_first_not_of(" \t", to)) != first.npos;) {
      to = std::min(first.find_first_of(" \t", from), first.size());
      words.emplace_back(first.substr(from, to - from));
    }
    co_return true;
  }
  long long count = 0, size = 0;
  if (!parse(first.substr(1), count) || count > most_words) co_return broken("invalid multibulk length");
  for (; count > 0; --count) {
    auto [line, err] = co_await in.read_line();
    if (err == gmp::errc::buffer_full) broken("too big bulk count string");
    if (err) co_return false;
    if (!line.starts_with('$')) co_return broken("expected '$', got '" + string(line.substr(0, 1)) + "'");
    if (!parse(line.substr(1), size) || size < 0 || size > most_bytes) co_return broken("invalid bulk length");
    const bool whole = co_await read_text(in, size, words.emplace_back());
    if (!whole) co_return false;
  }
  co_return true;
}

// ---- a client's half

struct Reply {
  char kind = '-';  // + line, - error, : number, $ text, * several; _ nothing
  string text;
  std::vector<Reply> items;
};

inline string request(const Words& words) {
  string bytes = "*" + std::to_string(words.size()) + "\r\n";
  for (const string& word : words) bytes += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  return bytes;
}

// False: the connection ended, or what came is no reply.
template <class Stream>
gmp::Task<bool> read_reply(gmp::io::BufReader<Stream>& in, Reply& reply, int depth = 0) {
  auto [line, end] = co_await in.read_line();
  if (end || line.empty()) co_return false;
  reply.kind = line[0];
  reply.text = line.substr(1);
  if (reply.kind != '$' && reply.kind != '*') co_return true;
  long long size = 0;
  const bool sane = parse(std::exchange(reply.text, ""), size) && size <= (reply.kind == '$' ? most_bytes : most_words) && depth < 32;
  if (sane && size < 0) reply.kind = '_';
  if (!sane || size < 0) co_return sane;
  if (reply.kind == '$') co_return co_await read_text(in, size, reply.text);
  for (; size > 0; --size) {
    const bool whole = co_await read_reply(in, reply.items.emplace_back(), depth + 1);
    if (!whole) co_return false;
  }
  co_return true;
}

}  // namespace resp
