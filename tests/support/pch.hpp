// tests/support/pch.hpp — what nearly every test includes, parsed once.
// Go: none.  Room: tests/support.
//
// Nothing of this library: a test must not compile only because of this file, and the models read other atomics than the rest.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>
