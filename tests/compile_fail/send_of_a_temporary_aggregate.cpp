// tests/compile_fail/send_of_a_temporary_aggregate.cpp — g++ before 13 would destroy it twice; the error says what to do.
// only: gcc<13
// expect: send gmp::moved\(value\), or give the type a constructor
#include <gmp/chan.hpp>
#include <gmp/task.hpp>

#include <string>

struct Job {
  int number;
  std::string name;
};

gmp::Task<> sends(gmp::Chan<Job> ch) {
#ifdef GMPCORO_FIXED
  // [named]
  Job job{1, "x"};
  co_await ch.send(gmp::moved(job));
  co_await ch.send(job);  // a copy
  // [/named]
#else
  co_await ch.send(Job{1, "x"});
#endif
}
