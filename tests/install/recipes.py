#!/usr/bin/env python3
# tests/install/recipes.py — what can be said of the recipes for Conan and vcpkg where neither is installed.
#
# recipes.py SOURCE CMAKE      They parse, name the project's version and options that there are, and build this tree.
import json
import os
import py_compile
import re
import subprocess
import sys
import tempfile

# What vcpkg's functions are told, on stderr.
SHIM = """
macro(vcpkg_check_features)
  message("features: ${ARGN}")
  set(features -DGMPCORO_TLS=ON)
endmacro()
foreach(name vcpkg_cmake_configure vcpkg_cmake_install vcpkg_cmake_config_fixup vcpkg_fixup_pkgconfig vcpkg_install_copyright)
  cmake_language(EVAL CODE "macro(${name})\\n  message(\\"${name}: \\${ARGN}\\")\\nendmacro()")
endforeach()
"""


def require(holds, otherwise):
    if not holds:
        sys.exit(otherwise)


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()


def options_of(source):
    files = ["CMakeLists.txt", *(f"cmake/{name}" for name in os.listdir(os.path.join(source, "cmake")) if name.endswith(".cmake"))]
    return {"BUILD_SHARED_LIBS"} | {name for file in files for name in re.findall(r"^option\((\w+)", read(source, file), re.M)}


def check_conan(source):
    recipe = os.path.join(source, "cmake/conan/conanfile.py")
    with tempfile.TemporaryDirectory() as folder:
        py_compile.compile(recipe, cfile=os.path.join(folder, "recipe.pyc"), doraise=True)
    text = read(recipe)
    unknown = set(re.findall(r'cache_variables\["(\w+)"\]', text)) - options_of(source)
    require(not unknown, f"conanfile.py sets {unknown}, which are no options")
    for pattern in re.search(r"for pattern in (.*):", text)[1].replace('"', "").split(", "):
        require(os.path.exists(os.path.join(source, pattern.removesuffix("/*"))), f"conanfile.py exports {pattern}, which is not there")


def check_vcpkg(source, cmake):
    port = os.path.join(source, "cmake/vcpkg/gmpcoro")
    about = json.loads(read(port, "vcpkg.json"))
    version = re.search(r"project\(gmpcoro VERSION ([\d.]+)", read(source, "CMakeLists.txt"))[1]
    require(about["version"] == version, f"vcpkg.json says version {about['version']}, the project {version}")
    with tempfile.TemporaryDirectory() as folder:
        script = os.path.join(folder, "port.cmake")
        with open(script, "w", encoding="utf-8") as file:
            file.write(SHIM + f'set(CURRENT_PACKAGES_DIR "{folder}/packages")\ninclude("{port}/portfile.cmake")\n')
        done = subprocess.run([cmake, "-P", script], capture_output=True, text=True)
    require(done.returncode == 0, f"portfile.cmake: {done.stderr}")
    told = dict(line.split(": ", 1) if ": " in line else (line.rstrip(": "), "") for line in done.stderr.splitlines())
    configured = told["vcpkg_cmake_configure"]
    require(f"SOURCE_PATH;{os.path.realpath(source)};" in configured, f"portfile.cmake builds another tree: {configured}")
    unknown = set(re.findall(r"-D(\w+)=", configured)) | {told["features"].split(";")[-1]}
    require(not unknown - options_of(source), f"portfile.cmake sets {unknown - options_of(source)}, which are no options")
    feature = re.search(r"FEATURES;(\w+)", told["features"])[1]
    require(feature in about["features"], f"vcpkg.json has no feature {feature}")
    require("vcpkg_cmake_install" in told and "LICENSE" in told["vcpkg_install_copyright"], f"portfile.cmake does not install: {told}")


if __name__ == "__main__":
    check_conan(sys.argv[1])
    check_vcpkg(sys.argv[1], sys.argv[2])
