// examples/proxy.cpp — passes connections on to another server, both ways at once: half-closed ones, too; idle ones meet their deadline.
// Go: two io.Copy and SetDeadline, as in every Go proxy.
//
// Try it:  proxy --port=7001 --to=127.0.0.1:7000 --idle-ms=60000 &  (with echo_server behind it)  then  nc 127.0.0.1 7001
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <gmp/gmp.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <iostream>
#include <string>
#include <string_view>

using namespace gmp;
using namespace std::chrono_literals;
using std::chrono::milliseconds;

milliseconds dial_max = 5s, idle_max = 60s, grace = 5s;

// How long a connection has said nothing, either way. The system knows: what io::copy splices nobody sees here.
milliseconds idle(const net::Conn& conn) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (getsockopt(conn.native_handle(), IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return idle_max;  // it is closed
  return milliseconds(std::min(info.tcpi_last_data_recv, info.tcpi_last_data_sent));
}

Task<> pass(net::Conn from, net::Conn to) {
  auto [n, err] = co_await io::copy(to, from);
  if (!err && !to.close_write()) co_return;  // that way has ended, the other may go on
  from.close();
  to.close();
}

// The deadline of both lies behind the last byte, whichever way it went, and moves on with it; when it comes both copies end, by errc::timeout. Once the
// context has ended, because both ways have, or the program is to, it has come.
Task<> watch(net::Conn client, net::Conn server, Context ctx) {
  for (std::error_code ended; true; ended = co_await until(ctx, gmp::sleep(idle_max / 4))) {
    const milliseconds left = ended ? 0ms : idle_max - std::min(idle(client), idle(server));
    for (const net::Conn& conn : {client, server}) conn.set_deadline(std::chrono::steady_clock::now() + left);
    if (ended) co_return;
  }
}

Task<> relay(net::Conn client, std::string to, Context stopping) {
  auto dialled = co_await timeout(dial_max, net::dial("tcp", to));
  auto& [server, err] = dialled;
  if (err) {
    std::cerr << client.remote_addr() << ": " << dialled.message() << std::endl;
    co_return;
  }
  auto [ctx, done] = with_cancel(stopping);
  JoinHandle<void> watcher = spawn(watch, client, server, ctx), back = spawn(pass, server, client);
  co_await pass(client, server);
  co_await back;
  done();
  co_await watcher;
}

Task<> program(std::string port, std::string to) {
  const Context stopping = os::notify_context(background(), {SIGINT, SIGTERM});
  auto [ending, end] = with_cancel(background());
  net::Listener listener = net::listen("tcp", "127.0.0.1:" + port).value();
  std::cout << "listening on " << listener.addr() << std::endl;
  WaitGroup links;
  while (true) {
    auto [client, err] = co_await until(stopping, listener.accept());
    if (!err) links.go(relay, client, to, ending);
    if (stopping.err()) break;
    if (err) co_await gmp::sleep(10ms);  // too many open files, until clients leave
  }
  listener.close();
  const std::error_code late = co_await timeout(grace, links.wait());
  end();
  co_await links.wait();
  std::cout << (late ? "some links were cut" : "drained") << std::endl;
}

std::string option(int argc, char** argv, std::string_view name, std::string_view otherwise) {
  for (int i = 1; i < argc; ++i)
    if (const std::string_view argument = argv[i]; argument.starts_with(name)) return std::string(argument.substr(name.size()));
  return std::string(otherwise);
}

int main(int argc, char** argv) {
  dial_max = milliseconds(std::stoi(option(argc, argv, "--dial-ms=", "5000")));
  idle_max = milliseconds(std::stoi(option(argc, argv, "--idle-ms=", "60000")));
  grace = milliseconds(std::stoi(option(argc, argv, "--grace-ms=", "5000")));
  gmp::run(program, option(argc, argv, "--port=", "7001"), option(argc, argv, "--to=", "127.0.0.1:7000"));
}
