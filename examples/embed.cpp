// examples/embed.cpp — an executor in a program that has threads, callbacks and a thread pool's habits already.
// Go: none (there the runtime is the program).
//
// Prints:
//   posted: 10
//   submitted: 42
//   spawned: done
//   called back: 7
#include <gmp/gmp.hpp>

#include <cstdio>
#include <thread>

using namespace gmp;
using namespace std::chrono_literals;

// A library that answers by a callback, on a thread of its own.
void ask(int question, std::function<void(int)> answer) {
  std::thread([question, answer = std::move(answer)] { answer(question + 2); }).detach();
}

Task<int> asks() {
  // The bridge to callbacks: parks this goroutine until wake() is called, from any thread.
  int answer = co_await suspend<int>([](Waker<int> waker) { ask(5, [waker](int value) { waker.wake(value); }); });
  co_return answer;
}

int main() {
  Executor executor({.procs = 2, .name = "worker"});  // two goroutines run at a time; its threads are worker/0, worker/1 …

  // [embed]
  std::promise<int> ready;
  executor.post([&] { ready.set_value(10); });                   // as a thread pool's post()
  std::future<int> answer = executor.submit([] { return 42; });  // the same, with a future
  JoinHandle<const char*> handle = executor.spawn([]() -> Task<const char*> {
    co_await gmp::sleep(1ms);  // parks the goroutine; the thread goes on with others
    co_return "done";
  });
  // [/embed]

  std::printf("posted: %d\n", ready.get_future().get());
  std::printf("submitted: %d\n", answer.get());
  std::printf("spawned: %s\n", handle.get());  // blocks this plain thread, as the futures do
  std::printf("called back: %d\n", executor.run(asks));
}  // stops the executor: goroutines that still wait are destroyed, with all that they hold
