// tests/support/files.hpp — a directory for a test's files.
// Go: testing (T.TempDir).  Room: tests/support.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>

namespace gmp::test {

/// A new directory, removed with all that is in it.
class TempDir {
 public:
  TempDir() : path_((std::filesystem::temp_directory_path() / "gmp-os-XXXXXX").string()) {
    if (::mkdtemp(path_.data()) == nullptr) throw std::runtime_error("mkdtemp");
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string path(std::string_view name) const { return path_ + "/" + std::string(name); }
  std::string with(std::string_view name, std::string_view content) const {
    std::ofstream(path(name), std::ios::binary) << content;
    return path(name);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace gmp::test
