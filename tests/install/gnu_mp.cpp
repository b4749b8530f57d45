// tests/install/gnu_mp.cpp — a program that uses GNU MP, the older owner of the name gmp, beside this library.
// Go: none.  Room: tests/install.
#include <gmp.h>
#include <gmp/gmp.hpp>

#include <cstdio>

gmp::Task<unsigned long> answer() {
  mpz_t product;
  mpz_init_set_ui(product, 6);
  mpz_mul_ui(product, product, 7);
  const unsigned long result = mpz_get_ui(product);
  mpz_clear(product);
  co_return result;
}

int main() { std::printf("%lu\n", gmp::run(answer)); }
