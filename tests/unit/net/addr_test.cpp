// tests/unit/net/addr_test.cpp — addresses as Go reads and prints them, and Go's words when they cannot be read.
// Go: net/ip_test.go, net/ipsock_test.go, net/port_test.go, net/netip/netip_test.go, net/dial_test.go.  Room: net (floor 5).
#if __has_include(<fmt/core.h>)
#define FMT_HEADER_ONLY
#include <fmt/core.h>
#endif

#include "gmp/detail/net/addr.hpp"

#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <set>
#include <sstream>
#include <string>
#include <unordered_set>
#include <vector>

#include "net/host_port.hpp"
#include "net/op_error.hpp"
#include "net/sockaddr.hpp"

namespace gmp::detail::addr_test {
namespace {

using net::Addr;
using Kind = Addr::Kind;

Addr must_parse(std::string_view network, std::string_view text) {
  const auto r = Addr::parse(network, text);
  EXPECT_TRUE(r) << text << ": " << r.message();
  return r.get<0>();
}

/// What the address prints as; "-" if it is not a numeric address.
std::string ip_text(std::string_view text) {
  Addr addr;
  return parse_ip(text, Kind::ip, 0, addr) ? addr.to_string() : "-";
}

// ---- IP literals

TEST(ParseIp, ReadsIpv4AsStrictlyAsGo) {
  for (const char* good : {"0.0.0.0", "127.0.0.1", "255.255.255.255", "1.2.3.4", "10.20.30.40"}) EXPECT_EQ(ip_text(good), good);
  for (const char* bad : {"",          "1",         "1.2",        "1.2.3",      "1.2.3.4.5", "1.2.3.",     ".1.2.3",   "1..2.3",
                          "256.0.0.1", "1.2.3.999", "01.2.3.4",   "1.2.3.04",   "1.2.3.00",  "0x7f.0.0.1", "-1.2.3.4", "+1.2.3.4",
                          "1.2.3.4 ",  " 1.2.3.4",  "1.2.3.4/24", "1.2.3.4%lo", "127.1",     "1.2.3.4444", "1,2,3,4",  "localhost"}) {
    EXPECT_EQ(ip_text(bad), "-") << bad;
  }
}

TEST(ParseIp, ReadsIpv6AndPrintsTheShortForm) {
  const std::pair<const char*, const char*> table[] = {
      {"::", "::"},
      {"::1", "::1"},
      {"1::", "1::"},
      {"0:0:0:0:0:0:0:0", "::"},
      {"0:0:0:0:0:0:0:1", "::1"},
      {"2001:DB8::1", "2001:db8::1"},
      {"2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1"},
      {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
      {"1:0:3:4:5:6:7:8", "1:0:3:4:5:6:7:8"},          // one zero group stays
      {"1::3:4:5:6:7:8", "1:0:3:4:5:6:7:8"},           // even if it was written short
      {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},          //
      {"::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"},          //
      {"1:0:0:4:0:0:7:8", "1::4:0:0:7:8"},             // the first of equal runs
      {"1:0:0:4:0:0:0:8", "1:0:0:4::8"},               // else the longest
      {"0:0:1:0:0:0:0:0", "0:0:1::"},                  //
      {"fe80::a:b", "fe80::a:b"},                      //
      {"64:ff9b::192.0.2.33", "64:ff9b::c000:221"},    // the last two groups as IPv4
      {"1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"},  //
      {"::1.2.3.4", "::102:304"},                      //
      {"::ffff:1.2.3.4", "1.2.3.4"},                   // mapped: is IPv4
      {"::ffff:c0a8:1", "192.168.0.1"},                //
  };
  for (const auto& [text, printed] : table) {
    EXPECT_EQ(ip_text(text), printed) << text;
    EXPECT_EQ(ip_text(printed), printed);
  }
  for (const char* bad : {":",
                          ":::",
                          "1",
                          "1:",
                          ":1",
                          "1:2",
                          "1:2:3:4:5:6:7",
                          "1:2:3:4:5:6:7:8:9",
                          "1:2:3:4:5:6:7:8:",
                          ":1:2:3:4:5:6:7:8",
                          "1::2::3",
                          "1:::2",
                          "1:2:3:4::5:6:7:8",
                          "12345::",
                          "g::",
                          "1:2:3:4:5:6:7:1.2.3.4",
                          "1.2.3.4::",
                          "::1.2.3",
                          "::1.2.3.04",
                          "::1.2.3.4.5",
                          "::1.2.3.4:5",
                          "[::1]",
                          "::1]",
                          "::1%",
                          "%lo",
                          "1:2:3:4:5:6:7:8%",
                          "::1/64",
                          "fe80::1 "}) {
    EXPECT_EQ(ip_text(bad), "-") << bad;
  }
}

TEST(ParseIp, ZonesAreNamesOrNumbersOfInterfaces) {
  EXPECT_EQ(ip_text("fe80::1%nosuch0"), "fe80::1%nosuch0") << "kept for messages";
  EXPECT_EQ(ip_text("fe80::1%4000000"), "fe80::1%4000000");
  EXPECT_EQ(ip_text("::ffff:1.2.3.4%lo"), "1.2.3.4") << "IPv4 has no zones";
  char name[IF_NAMESIZE];
  if (!::if_indextoname(1, name)) GTEST_SKIP() << "no interface here";
  const std::string named = std::string("fe80::1%") + name;
  EXPECT_EQ(ip_text(named), named);
  EXPECT_EQ(ip_text("fe80::1%1"), named) << "one form for each address";
}

TEST(ParseIp, EveryAddressSurvivesPrintingAndReading) {
  // All 2^8 patterns of zero and non-zero groups: each way "::" may fall.
  for (unsigned pattern = 0; pattern < 256; ++pattern) {
    std::array<std::uint8_t, 16> bytes{};
    for (unsigned group = 0; group < 8; ++group) {
      if (pattern >> group & 1) bytes[2 * group + (pattern & 1)] = static_cast<std::uint8_t>(group + 1);
    }
    const Addr addr = Addr::ipv6(Kind::tcp, bytes, 80);
    EXPECT_EQ(must_parse("tcp", addr.to_string()), addr);
  }
}

// ---- host:port

TEST(ParseHostPort, SplitsAsGo) {
  struct Row {
    const char *text, *host, *port;
  };
  const Row table[] = {
      {"localhost:http", "localhost", "http"},
      {"localhost:80", "localhost", "80"},
      {"localhost%lo0:80", "localhost%lo0", "80"},
      {"[localhost%lo0]:http", "localhost%lo0", "http"},
      {"127.0.0.1:80", "127.0.0.1", "80"},
      {"[::1]:http", "::1", "http"},
      {"[::1%lo0]:80", "::1%lo0", "80"},
      {":80", "", "80"},
      {":", "", ""},
      {"127.0.0.1:", "127.0.0.1", ""},
      {"[::1]:", "::1", ""},
      {"[]:80", "", "80"},
      {"golang.org:https%foo", "golang.org", "https%foo"},
  };
  for (const Row& row : table) {
    HostPort out;
    const Failure why = parse_host_port(row.text, out);
    EXPECT_FALSE(why) << row.text << ": " << why.text();
    EXPECT_EQ(out.host, row.host) << row.text;
    EXPECT_EQ(out.port, row.port) << row.text;
  }
}

TEST(ParseHostPort, RefusesInGosWords) {
  const std::pair<const char*, const char*> table[] = {
      {"golang.org", "address golang.org: missing port in address"},
      {"127.0.0.1", "address 127.0.0.1: missing port in address"},
      {"[::1]", "address [::1]: missing port in address"},
      {"[fe80::1%lo0]", "address [fe80::1%lo0]: missing port in address"},
      {"[localhost%lo0]", "address [localhost%lo0]: missing port in address"},
      {"", "missing port in address"},
      {"::1", "address ::1: too many colons in address"},
      {"fe80::1%lo0", "address fe80::1%lo0: too many colons in address"},
      {"fe80::1%lo0:80", "address fe80::1%lo0:80: too many colons in address"},
      {"[foo]::80", "address [foo]::80: too many colons in address"},
      {"[foo]bar:80", "address [foo]bar:80: missing port in address"},
      {"[foo]bar", "address [foo]bar: missing port in address"},
      {"[foo:80", "address [foo:80: missing ']' in address"},
      {"[foo]bar]:80", "address [foo]bar]:80: missing port in address"},
      {"[", "address [: missing port in address"},
      {"[:", "address [:: missing ']' in address"},
      {"[foo[bar]:80", "address [foo[bar]:80: unexpected '[' in address"},
      {"foo[bar:80", "address foo[bar:80: unexpected '[' in address"},
      {"[foo]:[bar]", "address [foo]:[bar]: unexpected '[' in address"},
      {"[foo]:[80", "address [foo]:[80: unexpected '[' in address"},
      {"[foo]:]80", "address [foo]:]80: unexpected ']' in address"},
      {"foo]:80", "address foo]:80: unexpected ']' in address"},
  };
  for (const auto& [text, words] : table) {
    HostPort out;
    const Failure why = parse_host_port(text, out);
    EXPECT_EQ(why.text(), words) << text;
  }
}

TEST(JoinHostPort, PutsBracketsRoundColons) {
  EXPECT_EQ(join_host_port("localhost", "80"), "localhost:80");
  EXPECT_EQ(join_host_port("::1", "80"), "[::1]:80");
  EXPECT_EQ(join_host_port("fe80::1%eth0", "http"), "[fe80::1%eth0]:http");
  EXPECT_EQ(join_host_port("", ""), ":");
}

TEST(ParsePort, NumbersAndServicesAsGo) {
  const std::pair<const char*, int> good[] = {
      {"", 0},   {"0", 0},     {"80", 80},   {"65535", 65535}, {"00080", 80},  {"+80", 80},
      {"-0", 0}, {"http", 80}, {"HTTP", 80}, {"ssh", 22},      {"https", 443}, {"domain", 53},
  };
  for (const auto& [text, port] : good) {
    std::uint16_t out = 9;
    const Failure why = parse_port(Kind::tcp, text, out);
    EXPECT_FALSE(why) << text << ": " << why.text();
    EXPECT_EQ(out, port) << text;
  }
  const std::pair<const char*, const char*> bad[] = {
      {"65536", "address 65536: invalid port"},
      {"99999", "address 99999: invalid port"},
      {"-1", "address -1: invalid port"},
      {"123456789012345678901234567890", "address 123456789012345678901234567890: invalid port"},
      {"no-such-service", "lookup tcp/no-such-service: unknown port"},
      {"80x", "lookup tcp/80x: unknown port"},
      {" 80", "lookup tcp/ 80: unknown port"},
  };
  for (const auto& [text, words] : bad) {
    std::uint16_t out = 9;
    const Failure why = parse_port(Kind::tcp, text, out);
    EXPECT_EQ(why.text(), words);
  }
  std::uint16_t out = 0;
  EXPECT_EQ(parse_port(Kind::udp, "no-such-service", out).text(), "lookup udp/no-such-service: unknown port");
  EXPECT_FALSE(parse_port(Kind::udp, "domain", out));
  EXPECT_TRUE(port_needs_lookup("http"));
  for (const char* number : {"", "0", "80", "-1", "+7", "99999999999"}) EXPECT_FALSE(port_needs_lookup(number)) << number;
}

TEST(ParseNetwork, KnowsGosNamesAndNoOthers) {
  Network out;
  EXPECT_FALSE(parse_network("tcp", out));
  EXPECT_EQ(out.kind, Kind::tcp);
  EXPECT_EQ(out.family, Network::Family::any);
  EXPECT_FALSE(parse_network("udp6", out));
  EXPECT_EQ(out.kind, Kind::udp);
  EXPECT_EQ(out.family, Network::Family::ipv6_only);
  EXPECT_FALSE(parse_network("tcp4", out));
  EXPECT_EQ(out.family, Network::Family::ipv4_only);
  EXPECT_FALSE(parse_network("unix", out));
  EXPECT_EQ(out.family, Network::Family::path);
  for (const char* bad : {"", "nope", "TCP", "tcp5", "tcp ", "ip4:icmp"}) {
    const Failure why = parse_network(bad, out);
    EXPECT_EQ(why.code, errc::unknown_network);
    EXPECT_EQ(why.text(), std::string("unknown network ") + bad);
  }
}

// ---- Addr

TEST(Addr, PrintsAsGo) {
  for (const char* text : {"127.0.0.1:8080", "0.0.0.0:0", "[::1]:80", "[::]:65535", "[2001:db8::1]:443", "[fe80::1%nosuch0]:80"}) {
    EXPECT_EQ(must_parse("tcp", text).to_string(), text);
    EXPECT_EQ(must_parse("udp", text).to_string(), text);
  }
  EXPECT_EQ(must_parse("tcp", "[::ffff:127.0.0.1]:80").to_string(), "127.0.0.1:80");
  EXPECT_EQ(must_parse("tcp", "127.0.0.1:http").to_string(), "127.0.0.1:80");
  EXPECT_EQ(must_parse("unix", "/run/app.sock").to_string(), "/run/app.sock");
  EXPECT_EQ(must_parse("unix", "@abstract").to_string(), "@abstract");
  EXPECT_EQ(Addr().to_string(), "");
}

TEST(Addr, SaysWhatItIs) {
  const Addr four = must_parse("tcp", "127.0.0.1:8080");
  EXPECT_EQ(four.port(), 8080);
  EXPECT_EQ(four.host(), "127.0.0.1");
  EXPECT_EQ(four.network(), "tcp");
  EXPECT_EQ(four.kind(), Kind::tcp);
  EXPECT_TRUE(four.is_ipv4() && four.is_loopback() && !four.is_unspecified() && !four.is_ipv6() && !four.is_unix());
  EXPECT_EQ(four.ip_bytes(), std::string_view("\x7f\0\0\1", 4));

  const Addr six = must_parse("udp6", "[::1]:9");
  EXPECT_EQ(six.host(), "::1");
  EXPECT_EQ(six.network(), "udp");
  EXPECT_TRUE(six.is_ipv6() && six.is_loopback());
  EXPECT_TRUE(must_parse("tcp", "[::]:1").is_unspecified());
  EXPECT_FALSE(must_parse("tcp", "[::2]:1").is_loopback());

  const Addr path = must_parse("unix", "/a");
  EXPECT_TRUE(path.is_unix());
  EXPECT_EQ(path.network(), "unix");
  EXPECT_EQ(path.port(), 0);
  EXPECT_EQ(must_parse("unixgram", "/a").network(), "unixgram");
  EXPECT_FALSE(Addr());
}

TEST(Addr, PortAndKindCanBeReplaced) {
  Addr ip;
  ASSERT_TRUE(parse_ip("::1", Kind::ip, 0, ip));
  EXPECT_EQ(ip.to_string(), "::1");
  EXPECT_EQ(ip.with_kind(Kind::tcp).with_port(80).to_string(), "[::1]:80");
  EXPECT_EQ(must_parse("tcp", "1.2.3.4:5").with_kind(Kind::ip).to_string(), "1.2.3.4");
  EXPECT_FALSE(ip.with_kind(Kind::unix_stream));
  EXPECT_EQ(must_parse("unix", "/a").with_port(5).port(), 0);
}

TEST(Addr, ParseRefusesInGosWords) {
  struct Row {
    const char *network, *text, *words;
  };
  const Row table[] = {
      {"nope", "127.0.0.1:1", "unknown network nope"},
      {"tcp", "host", "address host: missing port in address"},
      {"tcp", "::1:80", "address ::1:80: too many colons in address"},
      {"tcp", "127.0.0.1:99999", "address 99999: invalid port"},
      {"tcp", "localhost:80", "address localhost:80: unable to parse IP"},
      {"tcp4", "[::1]:80", "address ::1: no suitable address"},
      {"tcp6", "127.0.0.1:80", "address 127.0.0.1: no suitable address"},
  };
  for (const Row& row : table) {
    const auto r = Addr::parse(row.network, row.text);
    EXPECT_FALSE(r);
    EXPECT_EQ(r.message(), row.words);
  }
  EXPECT_EQ(Addr::parse("unix", std::string(200, 'x')).err, std::errc::invalid_argument);
}

TEST(Addr, ComparesAndHashesByAllItsParts) {
  const std::vector<Addr> distinct = {
      Addr(),
      must_parse("tcp", "1.2.3.4:5"),
      must_parse("tcp", "1.2.3.4:6"),
      must_parse("tcp", "1.2.3.5:5"),
      must_parse("udp", "1.2.3.4:5"),
      must_parse("tcp", "[::1]:5"),
      must_parse("tcp", "[fe80::1%a]:5"),
      must_parse("tcp", "[fe80::1%b]:5"),
      must_parse("tcp", "[fe80::1]:5"),
      must_parse("unix", "/a"),
      must_parse("unix", "/ab"),
      must_parse("unix", "@a"),
      must_parse("unixgram", "/a"),
  };
  const std::hash<Addr> hash;
  for (std::size_t i = 0; i < distinct.size(); ++i) {
    for (std::size_t j = 0; j < distinct.size(); ++j) {
      EXPECT_EQ(distinct[i] == distinct[j], i == j) << distinct[i] << " " << distinct[j];
      EXPECT_EQ(distinct[i]<distinct[j], distinct[j]> distinct[i]);
    }
  }
  EXPECT_EQ(std::set<Addr>(distinct.begin(), distinct.end()).size(), distinct.size());
  EXPECT_EQ((std::unordered_set<Addr>(distinct.begin(), distinct.end()).size()), distinct.size());
  EXPECT_EQ(hash(must_parse("tcp", "[::ffff:1.2.3.4]:5")), hash(distinct[1]));
  EXPECT_LT(must_parse("tcp", "9.0.0.0:1"), must_parse("tcp", "200.0.0.0:1")) << "bytes are unsigned";
}

TEST(Addr, GoesToStreamsAndToFmt) {
  const Addr addr = must_parse("tcp", "[::1]:80");
  std::ostringstream out;
  out << addr;
  EXPECT_EQ(out.str(), "[::1]:80");
  EXPECT_EQ(format_as(addr), "[::1]:80");
#ifdef FMT_VERSION
  EXPECT_EQ(fmt::format("<{}> <{:>10}>", addr, addr), "<[::1]:80> <  [::1]:80>");
#endif
}

// ---- sockaddr

Addr round_trip(const Addr& addr, int family = AF_UNSPEC) {
  sockaddr_storage storage;
  const socklen_t length = addr_to_sockaddr(addr, family, storage);
  return addr_from_sockaddr(addr.kind(), reinterpret_cast<const sockaddr*>(&storage), length);
}

TEST(Sockaddr, RoundTripsEveryKind) {
  for (const char* text : {"127.0.0.1:8080", "[::1]:80", "[2001:db8::1]:443", "0.0.0.0:0"}) {
    EXPECT_EQ(round_trip(must_parse("tcp", text)), must_parse("tcp", text));
  }
  EXPECT_EQ(round_trip(must_parse("tcp", "127.0.0.1:80"), AF_INET6), must_parse("tcp", "127.0.0.1:80")) << "mapped and back";
  EXPECT_EQ(round_trip(must_parse("tcp", "0.0.0.0:80"), AF_INET6), must_parse("tcp", "[::]:80"));
  for (const char* path : {"/run/app.sock", "a", "@abstract", "@"})
    EXPECT_EQ(round_trip(must_parse("unix", path)), must_parse("unix", path));
  for (const std::size_t size : {106U, 107U}) {
    const Addr longest = must_parse("unix", std::string(size, 'x'));
    EXPECT_EQ(round_trip(longest), longest);
  }
  EXPECT_FALSE(Addr::unix_path(Kind::unix_stream, std::string(108, 'x'))) << "no room for the zero byte";
  const Addr abstract = Addr::unix_path(Kind::unix_stream, "@" + std::string(107, 'x'));
  EXPECT_EQ(round_trip(abstract), abstract) << "needs none";
  EXPECT_EQ(family_of(abstract), AF_UNIX);
}

TEST(Sockaddr, KeepsTheScopeOfLinkLocalAddresses) {
  std::array<std::uint8_t, 16> ip{0xFE, 0x80};
  ip[15] = 1;
  const Addr addr = Addr::ipv6(Kind::udp, ip, 7, 4'000'000);
  EXPECT_EQ(addr.to_string(), "[fe80::1%4000000]:7");
  EXPECT_EQ(round_trip(addr), addr);
}

TEST(Sockaddr, RefusesWhatDoesNotFit) {
  sockaddr_storage storage;
  EXPECT_EQ(addr_to_sockaddr(must_parse("tcp", "[::1]:80"), AF_INET, storage), 0U);
  EXPECT_EQ(addr_to_sockaddr(must_parse("unix", "/a"), AF_INET, storage), 0U);
  EXPECT_EQ(addr_to_sockaddr(must_parse("tcp", "1.2.3.4:5"), AF_UNIX, storage), 0U);
  EXPECT_EQ(addr_to_sockaddr(Addr(), AF_UNSPEC, storage), 0U);
  const sockaddr_in in{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {}, .sin_zero = {}};
  EXPECT_FALSE(addr_from_sockaddr(Kind::tcp, reinterpret_cast<const sockaddr*>(&in), 8));
  EXPECT_FALSE(addr_from_sockaddr(Kind::tcp, reinterpret_cast<const sockaddr*>(&in), 0));
}

TEST(Sockaddr, AnEndWithoutANameIsAnAtSign) {
  sockaddr_un un{};
  un.sun_family = AF_UNIX;
  const Addr unnamed = addr_from_sockaddr(Kind::unix_stream, reinterpret_cast<const sockaddr*>(&un), sizeof(sa_family_t));
  EXPECT_TRUE(unnamed.is_unix());
  EXPECT_EQ(unnamed.to_string(), "@");
  std::strcpy(un.sun_path, "/tmp/x");
  EXPECT_EQ(addr_from_sockaddr(Kind::unix_stream, reinterpret_cast<const sockaddr*>(&un), sizeof un).to_string(), "/tmp/x")
      << "ends at its zero byte";
}

// ---- operations that failed

TEST(NetOpError, ReadsAsGos) {
  const Addr a = must_parse("tcp", "127.0.0.1:1"), b = must_parse("tcp", "127.0.0.1:2"), listen = must_parse("tcp", "127.0.0.1:80");
  HostPort parts;
  std::uint16_t port = 0;
  Network network;
  const std::pair<Result<int>, const char*> table[] = {
      {op_error<int>("dial", "tcp", {}, a, system_failure("connect", ECONNREFUSED)), "dial tcp 127.0.0.1:1: connect: connection refused"},
      {op_error<int>("dial", "tcp", {}, {}, parse_host_port("host", parts)), "dial tcp: address host: missing port in address"},
      {op_error<int>("dial", "tcp", {}, {}, parse_port(Kind::tcp, "99999", port)), "dial tcp: address 99999: invalid port"},
      {op_error<int>("dial", "nope", {}, {}, parse_network("nope", network)), "dial nope: unknown network nope"},
      {op_error<int>("dial", "tcp", {}, {}, errc::missing_address), "dial tcp: missing address"},
      {op_error<int>("dial", "tcp", {}, {}, lookup_failure("nohost", errc::no_such_host)), "dial tcp: lookup nohost: no such host"},
      {op_error<int>("listen", "tcp", {}, listen, system_failure("bind", EADDRINUSE)),
       "listen tcp 127.0.0.1:80: bind: address already in use"},
      {op_error<int>("read", "tcp", a, b, errc::timeout), "read tcp 127.0.0.1:1->127.0.0.1:2: i/o timeout"},
      {op_error<int>("read", "tcp", a, b, errc::closed), "read tcp 127.0.0.1:1->127.0.0.1:2: use of closed network connection"},
      {op_error<int>("write", "tcp", a, b, system_failure("write", EPIPE)), "write tcp 127.0.0.1:1->127.0.0.1:2: write: broken pipe"},
      {op_error<int>("accept", "tcp", {}, a, errc::closed), "accept tcp 127.0.0.1:1: use of closed network connection"},
      {op_error<int>("dial", "", {}, {}, parse_network("", network)), "dial: unknown network "},
  };
  for (const auto& [result, words] : table) {
    EXPECT_FALSE(result);
    EXPECT_EQ(result.message(), words);
    try {
      (void)result.value();
      ADD_FAILURE() << words;
    } catch (const std::system_error& e) {
      EXPECT_STREQ(e.what(), words);
      EXPECT_EQ(e.code(), result.err);
    }
  }
  EXPECT_EQ(table[0].first.err, std::errc::connection_refused);
  EXPECT_EQ(table[0].first.err.message(), "connection refused");
}

TEST(NetOpError, ACodeThatWasReplacedDropsTheDetailsOfTheOld) {
  auto r = op_error<int>("dial", "tcp", {}, must_parse("tcp", "127.0.0.1:1"), system_failure("connect", ECONNREFUSED));
  r.err = errc::canceled;
  EXPECT_EQ(r.message(), "dial tcp 127.0.0.1:1: context canceled");
}

}  // namespace
}  // namespace gmp::detail::addr_test
