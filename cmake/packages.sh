# cmake/packages.sh — installs what is missing, on Debian and its kin.  Sourced by ./quickstart and ./test.
#
# Only what is not there already, by whatever way it came; nothing that is installed is upgraded.  Where there is no apt-get, says what is
# needed and ends.

# package_present PACKAGE: is what the package brings there, however it was installed?
package_present() {
  case $1 in
    g++) command -v g++ ;;
    cmake | curl | openssl | wrk | ccache | python3) command -v "$1" ;;
    redis-tools) command -v redis-cli && command -v redis-benchmark ;;
    ninja-build) command -v ninja ;;
    pkg-config) command -v pkg-config ;;
    clang-19) command -v clang++-19 ;;
    libclang-rt-19-dev) ls /usr/lib/llvm-19/lib/clang/19/lib/*/libclang_rt.tsan*.a ;;
    liburing-dev) pkg-config --exists liburing ;;
    libfmt-dev) pkg-config --exists fmt ;;
    libssl-dev) pkg-config --exists libssl ;;
    libgtest-dev) pkg-config --exists gtest ;;
    libgmp-dev) echo '#include <gmp.h>' | g++ -x c++ -fsyntax-only - ;;
    libcurl4-openssl-dev) pkg-config --exists libcurl ;;
    libsqlite3-dev) pkg-config --exists sqlite3 ;;
    libpq-dev) pkg-config --exists libpq ;;
    libgrpc++-dev) pkg-config --exists grpc++ ;;
    postgresql-15) ls /usr/lib/postgresql/*/bin/initdb ;;
    *) dpkg -s "$1" ;;
  esac >/dev/null 2>&1
}

# need_packages PACKAGE…: ends the script if one cannot be had.
need_packages() {
  local missing=() package sudo=()
  for package in "$@"; do
    package_present "$package" || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  if ! command -v apt-get >/dev/null; then
    echo "This needs, under the names that Debian 12 gives them: ${missing[*]}" >&2
    echo "There is no apt-get here; please install them by your system's means and start again." >&2
    exit 1
  fi
  if ((EUID != 0)); then
    if ! command -v sudo >/dev/null; then
      echo "This needs ${missing[*]}; as root: apt-get install ${missing[*]}" >&2
      exit 1
    fi
    sudo=(sudo)
  fi
  echo "== installing ${missing[*]}"
  local log
  log=$(mktemp)
  if ! { "${sudo[@]}" apt-get -qq update &&
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends --no-upgrade "${missing[@]}"; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    echo "apt-get could not install ${missing[*]} (its last words are above)" >&2
    exit 1
  fi
  rm -f "$log"
}

# want_packages PACKAGE…: as need_packages, but the script goes on without.
want_packages() {
  (need_packages "$@") || echo "== going on without $*"
}

# want_postgresql: its programs, and no server that runs: Debian's package would make a cluster and start it, unless it is told not to.
want_postgresql() {
  local settings=/etc/postgresql-common/createcluster.conf sudo=()
  package_present postgresql-15 && return
  ((EUID == 0)) || sudo=(sudo)
  if ! package_present postgresql-common; then
    want_packages postgresql-common
    "${sudo[@]}" sed -i 's/^#* *create_main_cluster *=.*/create_main_cluster = false/' "$settings" || return 0
  fi
  want_packages postgresql-15
}

cpus() { nproc 2>/dev/null || echo 2; }
