# shellcheck shell=bash
# What tools/quickstart and tools/check share: the packages they need, the CUDA files, and one line per step.
# Sourced by bash, with the project's folder as the current one.

started=$SECONDS
PATH=$PATH:/usr/sbin:/sbin # ldconfig

step() {
  printf '[%3d s] %s\n' "$((SECONDS - started))" "$*"
}

fail() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# ---------------------------------------------------------------------------------------------- packages

c_compiler() {
  command -v "${CC:-gcc}" || command -v clang
}

c_header() {
  printf '#include <stdio.h>\n#include <%s>\n' "$1" | "$(c_compiler)" -E - >/dev/null 2>&1
}

recent_cmake() {
  local version
  version=$(cmake --version 2>/dev/null | sed -n 's/^cmake version //p')
  [ -n "$version" ] && [ "$(printf '%s\n' 3.25 "$version" | sort -V | head -n 1)" = 3.25 ]
}

# Whether what a package is needed for is there, from that package or from elsewhere.
have_package() {
  case $1 in
    gcc) c_compiler >/dev/null ;;
    libc6-dev) c_header stdlib.h ;;
    cmake) recent_cmake ;;
    ninja-build) command -v ninja >/dev/null ;;
    pkg-config) command -v pkg-config >/dev/null ;;
    libxxhash-dev) c_header xxhash.h ;;
    libjansson-dev) c_header jansson.h ;;
    g++) command -v g++ >/dev/null ;;
    clang) command -v clang >/dev/null ;;
    libcriterion-dev) c_header criterion/criterion.h ;;
    libfabric-dev) c_header rdma/fabric.h ;;
    musl-tools) command -v musl-gcc >/dev/null ;;
    gcc-aarch64-linux-gnu) command -v aarch64-linux-gnu-gcc >/dev/null ;;
    libc6-dev-arm64-cross) [ -f /usr/aarch64-linux-gnu/include/stdlib.h ] ;;
    lintian) command -v lintian >/dev/null ;;
    cargo) command -v cargo >/dev/null ;;
    golang-go) command -v go >/dev/null ;;
    libcurl4) ldconfig -p | grep 'libcurl\.so\.4 ' >/dev/null ;;
    nginx-light) command -v nginx >/dev/null ;;
    openssl) command -v openssl >/dev/null ;;
    qemu-user) command -v qemu-aarch64 >/dev/null ;;
    python3-pip) python3 -m pip --version >/dev/null 2>&1 ;;
    *) fail "no rule says how to look for the package $1" ;;
  esac
}

missing_packages() {
  local package
  for package in "$@"; do
    have_package "$package" || echo "$package"
  done
}

install_packages() {
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq || true # an unreachable list of a third party may not matter
  apt-get install -y -qq --no-install-recommends "$@"
}

# Installs what is missing of the named packages where that is possible. Sets missing to the rest.
want_packages() {
  missing=$(missing_packages "$@")
  if [ -n "$missing" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    step "installing ${missing//$'\n'/ }"
    mkdir -p build
    # shellcheck disable=SC2086 # one word a package
    install_packages $missing >build/apt-get.log 2>&1 || cat build/apt-get.log >&2
    missing=$(missing_packages "$@")
  fi
}

# As want_packages, and ends when some are still missing.
need_packages() {
  want_packages "$@"
  missing=${missing//$'\n'/ }
  [ -z "$missing" ] || fail "missing: $missing
As root: apt-get update && apt-get install -y $missing"
}

build_packages=(gcc libc6-dev cmake ninja-build pkg-config libxxhash-dev libjansson-dev)
test_packages=(g++ clang libcriterion-dev)
# A test that lacks one of these is skipped.
optional_packages=(libfabric-dev musl-tools gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user lintian cargo
  golang-go libcurl4 nginx-light openssl)

# ---------------------------------------------------------------------------------------------- CUDA files

# The driver entry points that the library asks for are declared from CUDA 12.4 on.
oldest_cuda=12040
nvrtc_wheel=nvidia-cuda-nvrtc==13.0.88
header_wheel=nvidia-cuda-runtime==13.0.96

# Prints the path of libnvrtc in a CUDA folder that has all that is needed.
cuda_folder_nvrtc() {
  local version library
  [ -f "$1/include/nvrtc.h" ] && [ -f "$1/include/cudaTypedefs.h" ] || return
  version=$(sed -n 's/^#define CUDA_VERSION \([0-9]*\).*/\1/p' "$1/include/cuda.h")
  [ "${version:-0}" -ge "$oldest_cuda" ] || return
  for library in "$1"/lib64/libnvrtc.so.1[23] "$1"/lib/libnvrtc.so.1[23] "$1"/targets/*/lib/libnvrtc.so.1[23] \
                 "$1"/lib/*-linux-gnu/libnvrtc.so.1[23]; do
    [ -f "$library" ] && echo "$library" && return
  done
  return 1
}

# Sets FLASHJIT_NVRTC and cuda_root to those of an installed toolkit, or of what an earlier call fetched.
find_cuda() {
  local folder system
  system=$(ldconfig -p 2>/dev/null | sed -n 's|.*=> \(/.*\)/lib[^/]*/.*libnvrtc\.so\.1[23]$|\1|p' | head -n 1)
  for folder in "${CUDA_HOME:-}" "${CUDA_PATH:-}" /usr/local/cuda /usr/local/cuda-* $system build/cuda; do
    if [ -n "$folder" ] && FLASHJIT_NVRTC=$(cuda_folder_nvrtc "$folder"); then
      cuda_root=$(cd "$folder" && pwd)
      FLASHJIT_NVRTC=$(realpath --no-symlinks "$FLASHJIT_NVRTC")
      export FLASHJIT_NVRTC
      return
    fi
  done
  return 1
}

# Takes libnvrtc and the headers from PyPI into build/cuda; nothing is installed and no Python runs later.
fetch_cuda() {
  local download=build/cuda.download wheel
  step "fetching $nvrtc_wheel and $header_wheel from PyPI"
  rm -rf "$download"
  mkdir -p "$download/lib"
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
    --dest "$download" "$nvrtc_wheel" "$header_wheel" || fail "pip cannot download $nvrtc_wheel and $header_wheel.
Install a CUDA toolkit of version 12.4 or later instead, and set CUDA_HOME to its folder"
  for wheel in "$download"/*.whl; do
    python3 -m zipfile -e "$wheel" "$download"
  done
  mv "$download/nvidia/cu13/include" "$download"
  mv "$download"/nvidia/cu13/lib/{libnvrtc.so.13,libnvrtc-builtins.so.13.0} "$download/lib"
  rm -rf "$download"/nvidia* build/cuda
  mv "$download" build/cuda
}

# ---------------------------------------------------------------------------------------------- Zig

zig_wheel=ziglang==0.17.1

# Takes Zig from PyPI into build/ziglang, 101 MB that are 413 unpacked. Without it a test is skipped.
want_zig() {
  local download=build/ziglang.download
  if [ -x build/ziglang/zig ] || command -v zig >/dev/null; then
    return
  fi
  step "fetching $zig_wheel from PyPI"
  rm -rf "$download" build/ziglang
  mkdir -p "$download"
  if python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --dest "$download" \
    "$zig_wheel" 2>build/pip.log && python3 -m zipfile -e "$download"/ziglang-*.whl "$download"; then
    chmod +x "$download/ziglang/zig"
    mv "$download/ziglang" build/ziglang
  else
    cat build/pip.log >&2
  fi
  rm -rf "$download"
}

# ---------------------------------------------------------------------------------------------- all of it

# set_up PACKAGE...: all that a build needs, and the named packages.
set_up() {
  local packages=("${build_packages[@]}" "$@")
  find_cuda || packages+=(python3-pip)
  need_packages "${packages[@]}"
  [ -n "$FLASHJIT_NVRTC" ] || fetch_cuda
  find_cuda || fail "no CUDA headers and libnvrtc of version 12.4 or later in build/cuda; delete it and try again"
  step "CUDA headers and NVRTC: $cuda_root"
}

# ---------------------------------------------------------------------------------------------- building

# logged NAME COMMAND...: runs it; what it said goes to build/NAME.log, and is shown when it fails.
logged() {
  local log=build/$1.log
  shift
  mkdir -p build
  "$@" >"$log" 2>&1 && return
  cat "$log" >&2
  fail "failed: $*"
}

# configure PRESET FOLDER [CMAKE OPTION]...
configure() {
  step "configuring $2"
  logged "${2##*/}-configure" cmake --preset "$1" -B "$2" -D FLASHJIT_CUDA_ROOT="$cuda_root" "${@:3}"
}

# build FOLDER [CMAKE --build OPTION]...
build() {
  step "building $1"
  logged "${1##*/}-build" cmake --build "$1" "${@:2}"
}
