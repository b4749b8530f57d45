// examples/redis_client.cpp — a client of Redis: any number of gs share one connection, and what they ask together goes out together.
// Go: github.com/redis/rueidis.
//
// Try it:  redis-server --port 6379 &  then  redis_client tcp 127.0.0.1:6379      (kv_server understands most of it, too)
#include <gmp/gmp.hpp>

#include <cstdio>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "resp.hpp"

using namespace gmp;
using resp::Reply, resp::Words;
using std::string;

class Redis {
 public:
  explicit Redis(net::Conn conn) : conn_(std::move(conn)) {
    gs_.go(&Redis::write, this);
    gs_.go(&Redis::read, this);
  }

  // Parks until the answer has come; nothing: the connection is gone.
  Task<std::optional<Reply>> ask(Words words) {
    const auto answer = make_chan<Reply>(1);
    co_await requests_.send(Request(resp::request(words), answer));
    co_return co_await answer.recv();
  }

  Task<> close() {  // after the last answer
    requests_.close();
    co_await gs_.wait();
  }

 private:
  using Request = std::pair<string, Chan<Reply>>;

  // Takes what is there before it writes: many requests go out by one write.
  Task<> write() {
    string out;
    while (auto request = co_await requests_.recv()) {
      for (int most = 500; request; request = --most > 0 ? requests_.try_recv() : std::nullopt) {
        out += request->first;
        co_await asked_.send(request->second);  // has room for two batches, so never waits for one that is not written yet
      }
      static_cast<void>(co_await conn_.write(out));  // what goes wrong the reader sees, too
      out.clear();
    }
    asked_.close();
  }

  Task<> read() {
    io::BufReader in{conn_};
    bool good = true;
    while (auto answer = co_await asked_.recv()) {
      Reply reply;
      if (good) good = co_await resp::read_reply(in, reply);
      if (good) co_await answer->send(moved(reply));
      answer->close();
    }
  }

  net::Conn conn_;
  Chan<Request> requests_ = make_chan<Request>(500);
  Chan<Chan<Reply>> asked_ = make_chan<Chan<Reply>>(1000);
  WaitGroup gs_;
};

Task<> program(string network, string address) {
  Redis redis((co_await net::dial(network, address)).value());
  const Words incr{"INCR", "visits"};
  WaitGroup all;
  for (int i = 0; i < 10'000; ++i) all.go([&]() -> Task<> { co_await redis.ask(incr); });
  co_await all.wait();
  const std::vector<Words> several{{"SET", "name", "two\r\nlines"}, {"MGET", "visits", "name", "nothing"}, {"INCR", "name"}};
  for (const Words& words : several) {
    const auto reply = co_await redis.ask(words);
    if (!reply) std::puts("the connection is gone");
    if (!reply) break;
    std::printf("%s: %c%s\n", words[0].c_str(), reply->kind, reply->text.c_str());
    for (const Reply& item : reply->items) std::printf("  %c %s\n", item.kind, item.text.c_str());
  }
  co_await redis.close();
}

int main(int argc, char** argv) {
  if (argc == 3) gmp::run(program, argv[1], argv[2]);
}
