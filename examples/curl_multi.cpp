// examples/curl_multi.cpp — libcurl beside gs: a thousand transfers on one P, each awaited by a g of its own.
// Go: net/http's Client.
//
// Try it:  http_hello --port=8080 &  then  curl_multi http://127.0.0.1:8080/ 1000
// libcurl does its own I/O and says for which socket it waits: a g does that, by os::wait_readable and os::wait_writable, and tells it.
#include <curl/curl.h>
#include <gmp/gmp.hpp>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <utility>
#include <vector>

using namespace gmp;

class Curl {
 public:
  Curl() : multi_(curl_multi_init()) {
    curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &Curl::watch);
    curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
    curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &Curl::set_alarm);
    curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
    curl_multi_setopt(multi_, CURLMOPT_MAX_TOTAL_CONNECTIONS, 100L);  // the other transfers wait for one
  }

  // Parks until the transfer has ended, and says how.
  Task<CURLcode> perform(CURL* easy) {
    auto guard = co_await mutex_.scoped_lock();
    co_return co_await suspend<CURLcode>([&](Waker<CURLcode> waker) {
      transfers_[easy] = std::move(waker);
      curl_multi_add_handle(multi_, easy);  // asks for an alarm, which begins it
      guard.unlock();
    });
  }

  // After the last transfer: connections that were kept go, and who watches them.
  Task<> close() {
    auto guard = co_await mutex_.scoped_lock();
    curl_multi_cleanup(multi_);
    for (auto& [socket, cancel] : waiting_) cancel();
    guard.unlock();
    co_await gs_.wait();
  }

 private:  // the first two are called by libcurl, inside a call of ours
  static int watch(CURL*, curl_socket_t socket, int what, void* curl, void*) {
    Curl& self = *static_cast<Curl*>(curl);
    auto [ctx, cancel] = with_cancel(background());
    std::exchange(self.waiting_[socket], cancel)();  // who waits there waits for the wrong thing now
    if (what & CURL_POLL_IN) self.gs_.go(&Curl::wait, &self, ctx, socket, CURL_CSELECT_IN);
    if (what & CURL_POLL_OUT) self.gs_.go(&Curl::wait, &self, ctx, socket, CURL_CSELECT_OUT);
    return 0;
  }
  static int set_alarm(CURLM*, long ms, void* curl) {
    Curl& self = *static_cast<Curl*>(curl);
    auto [ctx, cancel] = with_cancel(background());
    std::exchange(self.waiting_[CURL_SOCKET_TIMEOUT], cancel)();
    if (ms >= 0) self.gs_.go(&Curl::wait_for_alarm, &self, ctx, ms);
    return 0;
  }
  Task<> wait_for_alarm(Context ctx, long ms) {
    const std::error_code err = co_await until(ctx, gmp::sleep(std::chrono::milliseconds(ms)));
    if (!err) co_await act(ctx, CURL_SOCKET_TIMEOUT, 0);
  }
  Task<> wait(Context ctx, curl_socket_t socket, int event) {
    for (std::error_code err; !err;) {
      auto readiness = event == CURL_CSELECT_IN ? os::wait_readable(socket) : os::wait_writable(socket);
      err = co_await until(ctx, std::move(readiness));
      if (!err) co_await act(ctx, socket, event);
    }
  }
  Task<> act(Context ctx, curl_socket_t socket, int events) {
    auto guard = co_await mutex_.scoped_lock();
    if (ctx.err()) co_return;  // the number may be another socket's by now
    int n = 0;
    curl_multi_socket_action(multi_, socket, events, &n);
    while (const CURLMsg* message = curl_multi_info_read(multi_, &n)) {
      const auto [result, easy] = std::pair(message->data.result, message->easy_handle);  // it is gone after the next line
      curl_multi_remove_handle(multi_, easy);
      transfers_.extract(easy).mapped().wake(result);
    }
  }

  CURLM* multi_;
  Mutex mutex_;  // over all calls of libcurl: even one P is given to another thread when a g computes for long
  std::map<CURL*, Waker<CURLcode>> transfers_;
  std::map<curl_socket_t, CancelFunc> waiting_;
  WaitGroup gs_;
};

Task<CURLcode> fetch(Curl& curl, std::string url, std::size_t& bytes) {
  const curl_write_callback add = [](char*, std::size_t, std::size_t n, void* sum) { return *static_cast<std::size_t*>(sum) += n, n; };
  CURL* const easy = curl_easy_init();
  curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, add);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &bytes);
  const CURLcode result = co_await curl.perform(easy);
  curl_easy_cleanup(easy);
  co_return result;
}

Task<> program(std::string url, int count) {
  Curl curl;
  std::size_t bytes = 0;
  std::vector<JoinHandle<CURLcode>> fetches;
  for (int i = 0; i < count; ++i) fetches.push_back(spawn(fetch, std::ref(curl), url, std::ref(bytes)));
  std::map<CURLcode, int> ended;
  for (auto& each : fetches) ++ended[co_await each.join()];
  co_await curl.close();
  for (auto [result, times] : ended) std::printf("%d: %s\n", times, curl_easy_strerror(result));
  std::printf("%zu bytes\n", bytes);
}

int main(int argc, char** argv) {
  curl_global_init(CURL_GLOBAL_DEFAULT);
  if (argc == 3) Executor({.procs = 1}).run(program, argv[1], std::atoi(argv[2]));
}
