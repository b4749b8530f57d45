// examples/pq_pipeline.cpp — PostgreSQL by libpq in pipeline mode: gs ask over one connection, without waiting for one another's answers.
// Go: github.com/jackc/pgx.
//
// Try it:  pq_pipeline "host=/var/run/postgresql dbname=postgres"
// libpq does its own I/O; where it would block a g waits for its socket, by os::wait_readable and os::wait_writable.
#include <libpq-fe.h>
#include <gmp/gmp.hpp>

#include <cstdio>
#include <deque>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace gmp;
using Answer = std::shared_ptr<PGresult>;  // null: the connection is gone

class Postgres {
 public:
  ~Postgres() { PQfinish(conn_); }

  Task<> connect(std::string where) {
    conn_ = PQconnectStart(where.c_str());
    for (auto next = PGRES_POLLING_WRITING; next != PGRES_POLLING_OK; next = PQconnectPoll(conn_)) {
      if (next == PGRES_POLLING_FAILED || PQstatus(conn_) == CONNECTION_BAD) throw std::runtime_error(PQerrorMessage(conn_));
      auto ready = next == PGRES_POLLING_READING ? os::wait_readable(PQsocket(conn_)) : os::wait_writable(PQsocket(conn_));
      static_cast<void>(co_await std::move(ready));  // PQconnectPoll finds out what is wrong
    }
    PQsetnonblocking(conn_, 1);
    PQenterPipelineMode(conn_);
    auto [ctx, cancel] = with_cancel(background());
    stop_reading_ = cancel;
    gs_.go(&Postgres::write, this);
    gs_.go(&Postgres::read, this, ctx);
  }

  // Parks until the answer has come.
  Task<Answer> ask(std::string query, std::vector<std::string> parameters) {
    std::vector<const char*> values;
    for (const std::string& each : parameters) values.push_back(each.c_str());
    auto guard = co_await mutex_.scoped_lock();
    const int count = static_cast<int>(values.size());
    if (gone_ || !PQsendQueryParams(conn_, query.c_str(), count, nullptr, values.data(), nullptr, nullptr, 0)) co_return nullptr;
    PQpipelineSync(conn_);  // a statement that fails takes no other one with it
    const auto answer = make_chan<Answer>(1);
    asked_.push_back(answer);
    guard.unlock();
    static_cast<void>(sent_.try_send(true));  // full: the writer has yet to look anyway
    co_return *co_await answer.recv();
  }

  Task<> close() {  // after the last answer
    sent_.close();
    stop_reading_();
    co_await gs_.wait();
  }

 private:
  Task<> write() {
    while (auto sent = co_await sent_.recv()) {
      for (int more = 1; more == 1;) {
        auto guard = co_await mutex_.scoped_lock();
        more = PQflush(conn_);
        guard.unlock();
        if (more == 1) static_cast<void>(co_await os::wait_writable(PQsocket(conn_)));  // the reader goes on meanwhile
      }
    }
  }
  Task<> read(Context ctx) {
    Answer last;
    for (std::error_code err; !err && !gone_; err = co_await until(ctx, os::wait_readable(PQsocket(conn_)))) {
      auto guard = co_await mutex_.scoped_lock();
      gone_ = !PQconsumeInput(conn_);
      while (!asked_.empty() && (gone_ || !PQisBusy(conn_))) {
        const Answer result(gone_ ? nullptr : PQgetResult(conn_), &PQclear);
        const bool synced = result && PQresultStatus(result.get()) == PGRES_PIPELINE_SYNC;  // which ends what was asked
        if (result && !synced) last = result;
        if (!synced && !gone_) continue;
        static_cast<void>(asked_.front().try_send(std::exchange(last, nullptr)));
        asked_.pop_front();
      }
    }
  }

  PGconn* conn_ = nullptr;
  Mutex mutex_;  // over all calls of libpq, asked_ and gone_
  std::deque<Chan<Answer>> asked_;
  bool gone_ = false;
  Chan<bool> sent_ = make_chan<bool>(1);
  CancelFunc stop_reading_;
  WaitGroup gs_;
};

Task<> program(std::string where) {
  Postgres postgres;
  co_await postgres.connect(where);
  co_await postgres.ask("CREATE TEMPORARY TABLE number (n integer)", {});
  WaitGroup all;
  for (int i = 0; i < 1000; ++i)
    all.go([&postgres, i]() -> Task<> {
      const std::vector<std::string> number{std::to_string(i)};
      co_await postgres.ask("INSERT INTO number VALUES ($1)", number);
    });
  co_await all.wait();
  for (const char* query :
       {"SELECT count(*), sum(n) FROM number", "SELECT 1/0", "SELECT 1", "SELECT pg_terminate_backend(pg_backend_pid())", "SELECT 2"}) {
    const Answer answer = co_await postgres.ask(query, {});
    std::printf("%s:", query);
    for (int i = 0; answer && i < PQnfields(answer.get()); ++i) std::printf(" %s", PQgetvalue(answer.get(), 0, i));
    std::printf(" %s\n", answer ? PQresStatus(PQresultStatus(answer.get())) : "gone");
  }
  co_await postgres.close();
}

int main(int argc, char** argv) {
  if (argc == 2) gmp::run(program, argv[1]);
}
