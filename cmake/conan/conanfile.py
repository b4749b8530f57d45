# cmake/conan/conanfile.py — a recipe for Conan 2: `conan create cmake/conan` in the source folder.
#
# What it needs comes from Conan as CMake packages, which cmake/dependencies.cmake looks for first.
import os
import re

from conan import ConanFile
from conan.errors import ConanInvalidConfiguration
from conan.tools.build import check_min_cppstd
from conan.tools.cmake import CMake, CMakeDeps, CMakeToolchain, cmake_layout
from conan.tools.files import copy, load, rmdir

SOURCE = os.path.join("..", "..")  # from here


class Gmpcoro(ConanFile):
    name = "gmpcoro"
    description = "Go's goroutines, channels and netpoller for C++20 coroutines"
    license = "MIT"
    topics = "coroutines", "goroutines", "channels", "io_uring", "async"
    package_type = "library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"shared": [True, False], "fPIC": [True, False], "tls": [True, False]}
    default_options = {"shared": False, "fPIC": True, "tls": True}

    def set_version(self):
        project = load(self, os.path.join(self.recipe_folder, SOURCE, "CMakeLists.txt"))
        self.version = re.search(r"project\(gmpcoro VERSION ([\d.]+)", project)[1]

    def export_sources(self):
        for pattern in "CMakeLists.txt", "LICENSE", "cmake/*", "include/*", "src/*":
            copy(self, pattern, os.path.join(self.recipe_folder, SOURCE), self.export_sources_folder)

    def configure(self):
        if self.options.shared:
            self.options.rm_safe("fPIC")

    def layout(self):
        cmake_layout(self)

    def requirements(self):
        self.requires("fmt/[>=9 <12]")
        self.requires("liburing/[>=2.3]")
        if self.options.tls:
            self.requires("openssl/[>=3 <4]")

    def validate(self):
        if self.settings.os != "Linux":
            raise ConanInvalidConfiguration("gmpcoro needs Linux")
        if self.settings.get_safe("compiler.cppstd"):
            check_min_cppstd(self, 20)

    def generate(self):
        toolchain = CMakeToolchain(self)
        toolchain.cache_variables["GMPCORO_BUILD_TESTS"] = False
        toolchain.cache_variables["GMPCORO_BUILD_EXAMPLES"] = False
        toolchain.cache_variables["GMPCORO_TLS"] = bool(self.options.tls)
        toolchain.generate()
        CMakeDeps(self).generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def package(self):
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))
        CMake(self).install()
        rmdir(self, os.path.join(self.package_folder, "lib", "cmake"))  # CMakeDeps makes its own
        rmdir(self, os.path.join(self.package_folder, "lib", "pkgconfig"))

    def package_info(self):
        self.cpp_info.set_property("cmake_file_name", "gmpcoro")
        core = self.cpp_info.components["gmpcoro"]
        core.set_property("cmake_target_name", "gmpcoro::gmpcoro")
        core.set_property("pkg_config_name", "gmpcoro")
        core.libs = ["gmpcoro"]
        core.requires = ["fmt::fmt", "liburing::liburing"]
        core.system_libs = ["pthread"]
        if self.options.tls:
            tls = self.cpp_info.components["tls"]
            tls.set_property("cmake_target_name", "gmpcoro::tls")
            tls.set_property("pkg_config_name", "gmpcoro_tls")
            tls.libs = ["gmpcoro_tls"]
            tls.requires = ["gmpcoro", "openssl::ssl", "openssl::crypto"]
