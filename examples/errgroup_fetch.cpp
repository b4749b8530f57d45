// examples/errgroup_fetch.cpp — fetches pages side by side, two at a time; the first that fails stops the others.
// Go: golang.org/x/sync/errgroup.
#include <gmp/gmp.hpp>

#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

using namespace gmp;
using namespace std::chrono_literals;

// A server of pages: /slow never comes, /missing is not there.
Task<> answer(net::Conn conn) {
  io::BufReader in{conn};
  auto [line, err] = co_await in.read_line();
  const std::string path(line);
  if (path == "/slow") co_await gmp::sleep(1h);
  const std::string page = path == "/missing" ? "404" : "the page " + path;
  static_cast<void>(co_await conn.write(page));  // who has left needs no answer
}
Task<> serve(net::Listener listener) {
  while (true) {
    auto [conn, err] = co_await listener.accept();
    if (err) break;
    go(answer, conn);
  }
}

Task<> fetch(Context ctx, std::string address, std::string path, std::string& page) {
  net::Conn conn = (co_await until(ctx, net::dial("tcp", address))).value();
  (co_await until(ctx, conn.write(path + "\n"))).value();
  while (true) {
    char bytes[512];
    auto result = co_await until(ctx, conn.read(bytes));
    if (result.err == errc::eof) break;
    page.append(bytes, result.value());  // throws what went wrong: "read tcp …: context canceled"
  }
  if (page == "404") throw std::runtime_error("GET " + path + ": not found");
}

Task<> fetch_all(std::string address, std::vector<std::string> paths) {
  std::vector<std::string> pages(paths.size());
  // [group]
  Group group;
  group.set_limit(2);
  for (std::size_t i = 0; i < paths.size(); ++i) group.go(fetch, group.context(), address, paths[i], std::ref(pages[i]));
  co_await group.wait();  // for all of them; rethrows what the first that failed has thrown
  // [/group]
  for (const std::string& page : pages) std::printf("%s\n", page.c_str());
}

Task<> program() {
  net::Listener listener = net::listen("tcp", "127.0.0.1:0").value();
  go(serve, listener);
  const std::string address = listener.addr().to_string();
  const std::vector<std::string> good{"/one", "/two", "/three"}, bad{"/slow", "/missing", "/four"};
  co_await fetch_all(address, good);
  const auto result = co_await attempt(fetch_all(address, bad));
  std::printf("failed: %s\n", result.message().c_str());
}

int main() { gmp::run(program); }

// Prints:
//   the page /one
//   the page /two
//   the page /three
//   failed: GET /missing: not found
