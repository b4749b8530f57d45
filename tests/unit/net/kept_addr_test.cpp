// tests/unit/net/kept_addr_test.cpp — KeptAddr gives back every address that it was given, short or long.
// Go: none.  Room: net (floor 5).
#include "net/kept_addr.hpp"

#include <gtest/gtest.h>

#include <string>

namespace gmp::detail::kept_addr_test {
namespace {

TEST(KeptAddr, GivesBackWhatItWasGiven) {
  using net::Addr;
  std::string longest(107, 'p');
  longest[0] = '/';
  const Addr addresses[] = {
      Addr(),
      Addr::parse("tcp", "127.0.0.1:80").value(),
      Addr::parse("udp", "[2001:db8::ffff:1]:65535").value(),
      Addr::parse("tcp", "[fe80::1%no_such_interface_here]:1").value(),
      Addr::parse("tcp", "[fe80::1%7]:1").value(),
      Addr::parse("unix", "/run/a.sock").value(),
      Addr::parse("unix", "@abstract").value(),
      Addr::parse("unix", longest).value(),
      Addr::parse("unixgram", "/sixteen/bytes.s").value(),
  };
  KeptAddr kept;
  EXPECT_EQ(kept.get(), Addr());
  for (const Addr& before : addresses) {  // each after each: nothing of the one before shines through
    for (const Addr& addr : addresses) {
      ASSERT_TRUE(kept.set(before));
      ASSERT_TRUE(kept.set(addr));
      EXPECT_EQ(kept.get(), addr) << addr.to_string();
      EXPECT_EQ(kept.get().to_string(), addr.to_string());
    }
  }
}

}  // namespace
}  // namespace gmp::detail::kept_addr_test
