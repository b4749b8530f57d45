// examples/grpc_echo.cpp — gRPC's callback API beside gs: each call is served by a g, and each caller awaits its answer in one.
// Go: google.golang.org/grpc.
//
// Try it:  grpc_echo
// gRPC has threads of its own and calls back on them; suspend gives such a callback a g to wake.  The generic API needs no generated code.
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gmp/gmp.hpp>

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

using namespace gmp;
using namespace std::chrono_literals;

grpc::ByteBuffer bytes_of(const std::string& text) {
  const grpc::Slice slice(text);
  return grpc::ByteBuffer(&slice, 1);
}
std::string text_of(const grpc::ByteBuffer& bytes) {  // it may have come in several pieces
  std::vector<grpc::Slice> slices;
  std::string text;
  if (!bytes.Dump(&slices).ok()) return text;
  for (const grpc::Slice& slice : slices) text.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return text;
}

// One call at the server. Its g asks for a step of gRPC's and parks until gRPC says that it is done; OnDone, the last word, deletes it.
class Call : public grpc::ServerGenericBidiReactor {
 public:
  Call(Executor& executor, std::string method) : method_(std::move(method)) { executor.go(&Call::serve, this); }

 private:
  Task<> serve() {
    grpc::ByteBuffer request, answer;
    const bool came = co_await suspend<bool>([&](Waker<bool> waker) { step_ = waker, StartRead(&request); });
    if (!came) co_return Finish(grpc::Status::CANCELLED);
    if (method_ != "/echo") co_return Finish({grpc::StatusCode::UNIMPLEMENTED, "no such method: " + method_});
    co_await gmp::sleep(10ms);  // what a handler waits for
    answer = bytes_of(text_of(request) + "!");
    const bool went = co_await suspend<bool>([&](Waker<bool> waker) { step_ = waker, StartWrite(&answer); });
    Finish(went ? grpc::Status::OK : grpc::Status::CANCELLED);
  }
  void OnReadDone(bool good) override { std::exchange(step_, {}).wake(good); }  // the g may set another one at once
  void OnWriteDone(bool good) override { std::exchange(step_, {}).wake(good); }
  void OnDone() override { delete this; }

  const std::string method_;
  Waker<bool> step_;
};

class Service : public grpc::CallbackGenericService {
 public:
  explicit Service(Executor& executor) : executor_(executor) {}
  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext* context) override {
    return new Call(executor_, context->method());
  }

 private:
  Executor& executor_;
};

// The client's side: parks until the answer has come, or what went wrong.
Task<std::string> call(grpc::GenericStub& stub, std::string method, std::string text) {
  grpc::ClientContext context;
  grpc::ByteBuffer request = bytes_of(text), answer;
  const grpc::Status status = co_await suspend<grpc::Status>([&](Waker<grpc::Status> waker) {
    stub.UnaryCall(&context, method, {}, &request, &answer, [waker](grpc::Status result) { waker.wake(std::move(result)); });
  });
  co_return status.ok() ? text_of(answer) : status.error_message();
}

Task<> program(grpc::GenericStub& stub) {
  std::vector<JoinHandle<std::string>> calls;
  for (int i = 0; i < 200; ++i) calls.push_back(spawn(call, std::ref(stub), "/echo", "hello " + std::to_string(i)));
  int good = 0;
  for (int i = 0; i < 200; ++i) {
    const std::string answer = co_await calls[static_cast<std::size_t>(i)].join();
    good += answer == "hello " + std::to_string(i) + "!";
  }
  std::printf("%d of 200 answers\n", good);
  const std::string refusal = co_await call(stub, "/shout", "hello");
  std::printf("%s\n", refusal.c_str());
}

int main() {
  Executor executor;
  Service service(executor);
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterCallbackGenericService(&service);
  const auto server = builder.BuildAndStart();
  grpc::GenericStub stub(grpc::CreateChannel("127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials()));
  executor.run(program, std::ref(stub));
  server->Shutdown();
}
