// examples/chat.cpp — a chat server: a room is a goroutine that owns its members, and all that is said to it comes over a channel. No
// locks. Go: the chat server of "The Go Programming Language", with rooms, and a cure for slow readers.
//
// Try it:  chat --port=7002 &  then  nc 127.0.0.1 7002  twice: a name, then lines of talk, /join ROOM, /quit.
#include <gmp/gmp.hpp>

#include <csignal>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

using namespace gmp;
using namespace std::chrono_literals;
using std::string, std::string_view;
using Line = std::shared_ptr<const string>;  // one copy for all who hear it

struct Member {  // of a room
  string name;
  Chan<Line> lines;  // to be heard; closed by the room, when it no longer is a member
  CancelFunc leave;
};

struct Event {
  enum Kind { joins, leaves, says } kind;
  Member who;
  string text;
};

// Nobody waits for a member that does not read. If half of what it may have before it is full, the room goes on slowly, for it may only be
// late; if all of it, the member is put out.
Task<> room(string name, RecvChan<Event> events) {
  std::vector<Member> members;
  bool late = false;
  const auto tell_all = [&](const string& text) {
    const Line line = std::make_shared<const string>(text + "\n");
    late = false;
    std::erase_if(members, [&](const Member& member) {
      late |= member.lines.size() > member.lines.capacity() / 2;
      if (member.lines.try_send(line)) return false;
      member.lines.close();
      member.leave();
      return true;
    });
  };
  while (auto event = co_await events.recv()) {
    auto& [kind, who, text] = *event;
    if (kind == Event::joins) members.push_back(who);
    if (kind == Event::leaves && std::erase_if(members, [&](const Member& member) { return member.lines == who.lines; })) who.lines.close();
    tell_all(kind == Event::says ? who.name + ": " + text : "* " + who.name + text + name);
    if (late)
      co_await gmp::sleep(5ms);
    else
      co_await yield();  // to the members: they cannot read while the room talks
  }
}

// The rooms that somebody is in.
class Rooms {
 public:
  Task<Chan<Event>> enter(string name) {
    auto guard = co_await mutex_.scoped_lock();
    Room& found = rooms_[name];
    if (found.members++ == 0) go(room, name, found.events = make_chan<Event>());
    co_return found.events;
  }
  Task<> leave(string name) {
    auto guard = co_await mutex_.scoped_lock();
    Room& left = rooms_.at(name);
    if (--left.members != 0) co_return;
    left.events.close();
    rooms_.erase(name);
  }

 private:
  struct Room {
    int members = 0;
    Chan<Event> events;
  };
  Mutex mutex_;
  std::map<string, Room> rooms_;
};

Task<> write_lines(net::Conn conn, RecvChan<Line> lines) {
  while (auto line = co_await lines.recv()) {
    string text = **line;
    while (auto next = lines.try_recv()) text += **next;  // all that has been said meanwhile, by one write
    auto [n, err] = co_await conn.write(text);
    if (err) conn.close();
  }
}

// One stay in a room; gives the name of the next one, or none.
Task<string> stay(io::BufReader<net::Conn>& in, string name, string room_name, Rooms& rooms, Context stopping) {
  auto [staying, leave] = with_cancel(stopping);
  const Member me{name, make_chan<Line>(256), leave};
  JoinHandle<void> writer = spawn(write_lines, in.stream(), me.lines);
  const Chan<Event> events = co_await rooms.enter(room_name);
  Event event{Event::joins, me, " has joined "};
  co_await events.send(moved(event));
  string next;
  while (true) {
    auto [line, err] = co_await until(staying, in.read_line());
    if (err || line == "/quit") break;
    if (line.starts_with("/join ")) next = line.substr(6);
    if (!next.empty()) break;
    event = Event{Event::says, me, string(line)};
    co_await events.send(moved(event));
  }
  const bool slow = staying.err() && !stopping.err();
  event = Event{Event::leaves, me, slow ? " was too slow for " : " has left "};
  co_await events.send(moved(event));
  co_await rooms.leave(room_name);
  in.stream().set_write_deadline(std::chrono::steady_clock::now() + (slow ? 0s : 5s));  // for the lines that are still to be written
  co_await writer;
  in.stream().set_write_deadline({});
  co_return slow ? "" : next;
}

Task<> session(net::Conn conn, Rooms& rooms, Context stopping) {
  io::BufReader in{conn, 512, 4096};
  auto [n, gone] = co_await conn.write("your name?\n");
  auto [line, err] = co_await until(stopping, in.read_line());
  const string name(line);
  if (gone || err || name.empty()) co_return;
  for (string next = "lobby"; !next.empty();) next = co_await stay(in, name, next, rooms, stopping);
}

Task<> program(string_view port) {
  const Context stopping = os::notify_context(background(), {SIGINT, SIGTERM});
  net::Listener listener = net::listen("tcp", "127.0.0.1:" + string(port)).value();
  std::cout << "listening on " << listener.addr() << std::endl;
  Rooms rooms;
  WaitGroup sessions;
  while (true) {
    auto [conn, err] = co_await until(stopping, listener.accept());
    if (!err) sessions.go(session, conn, std::ref(rooms), stopping);
    else if (std::error_code ended = co_await until(stopping, gmp::sleep(10ms))) break;  // else too many open files, until clients leave
  }
  listener.close();
  co_await sessions.wait();  // they leave their rooms, and write what is to be read, as long as that takes no more than 5 s
  std::cout << "everybody has left" << std::endl;
}

int main(int argc, char** argv) {
  const string_view argument = argc > 1 ? argv[1] : "--port=7002";  // 0 picks one
  gmp::run(program, argument.substr(argument.find('=') + 1));
}
