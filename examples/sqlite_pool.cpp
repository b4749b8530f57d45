// examples/sqlite_pool.cpp — SQLite under blocking: two hundred gs share three connections, which wait in a channel.
// Go: database/sql with SetMaxOpenConns(3).
//
// Try it:  sqlite_pool
#include <gmp/gmp.hpp>

#include <sqlite3.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

using namespace gmp;

// Everything here blocks, on the disk or on who else writes.
class Database {
 public:
  explicit Database(const std::string& path) {
    if (sqlite3_open(path.c_str(), &db_) != SQLITE_OK) throw std::runtime_error(sqlite3_errmsg(db_));
    sqlite3_busy_timeout(db_, 20'000);
    run("PRAGMA journal_mode = wal; PRAGMA synchronous = off");
  }
  ~Database() { sqlite3_close(db_); }
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // The last value that the statements give, or 0.
  long long run(const std::string& statements) {
    long long last = 0;
    const auto keep = [](void* to, int, char** values, char**) {
      return *static_cast<long long*>(to) = std::atoll(values[0] ? values[0] : ""), 0;
    };
    if (sqlite3_exec(db_, statements.c_str(), keep, &last, nullptr) != SQLITE_OK) throw std::runtime_error(sqlite3_errmsg(db_));
    return last;
  }

 private:
  sqlite3* db_ = nullptr;
};

Task<> pay(Chan<Database*> idle, int i) {
  Database* const db = *co_await idle.recv();  // parks until one is free
  const std::string from = std::to_string(i % 10), to = std::to_string(i * 7 % 10);
  co_await blocking([&] {
    db->run("BEGIN IMMEDIATE; UPDATE account SET balance = balance - 1 WHERE id = " + from +
            "; UPDATE account SET balance = balance + 1 WHERE id = " + to + "; INSERT INTO payment DEFAULT VALUES; COMMIT");
  });
  co_await idle.send(db);
}

Task<> program(std::string path) {
  std::vector<std::unique_ptr<Database>> pool;
  auto idle = make_chan<Database*>(3);
  for (int i = 0; i < 3; ++i) {
    co_await blocking([&] { pool.push_back(std::make_unique<Database>(path)); });
    co_await idle.send(pool.back().get());
  }
  co_await blocking([&] {
    pool[0]->run("CREATE TABLE payment (id INTEGER PRIMARY KEY); CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER)");
    for (int i = 0; i < 10; ++i) pool[0]->run("INSERT INTO account VALUES (" + std::to_string(i) + ", 1000)");
  });
  Group payments;  // its wait() rethrows what one of them threw
  for (int i = 0; i < 200; ++i) payments.go(pay, idle, i);
  co_await payments.wait();
  const long long count = pool[0]->run("SELECT count(*) FROM payment"), sum = pool[0]->run("SELECT sum(balance) FROM account");
  std::printf("%lld payments, %lld in all accounts\n", count, sum);
}

int main() {
  std::string folder = std::filesystem::temp_directory_path() / "sqlite_pool.XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) return 1;
  auto gone = defer([&] { std::filesystem::remove_all(folder); });
  gmp::run(program, folder + "/bank.db");
}
// Prints:
//   200 payments, 10000 in all accounts
