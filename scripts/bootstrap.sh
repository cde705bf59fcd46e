#!/bin/bash
# Installs the Debian packages that are missing for `build` and, if asked for, `test`, `bench`, `docs` and `deb`.
# Says so first; without root it prints the command instead and fails.
set -eu

build_packages=(gcc g++ make pkg-config meson ninja-build python3 libusb-1.0-0-dev libplist-dev
	libxxhash-dev libseccomp-dev libjson-c-dev libncurses-dev check)
test_packages=(clang libblocksruntime-dev libclang-rt-14-dev llvm-14 qemu-system-x86 cpio kmod busybox-static xz-utils
	g++-i686-linux-gnu g++-aarch64-linux-gnu qemu-user musl-tools
	dpkg zstd strace libjemalloc2 spin libcmocka-dev zsh tshark
	mandoc scdoc shellcheck doxygen abigail-tools)
bench_packages=(libsystemd-dev gnuplot-nox qemu-system-x86 cpio kmod busybox-static xz-utils dpkg zstd)
docs_packages=(doxygen mandoc scdoc)
deb_packages=(build-essential debhelper dpkg-dev lintian scdoc)

wanted=()
for what in "$@"; do
	case $what in
	build) wanted+=("${build_packages[@]}") ;;
	test) wanted+=("${test_packages[@]}") ;;
	bench) wanted+=("${bench_packages[@]}") ;;
	docs) wanted+=("${docs_packages[@]}") ;;
	deb) wanted+=("${deb_packages[@]}") ;;
	*) echo "usage: bootstrap.sh [build] [test] [bench] [docs] [deb]" >&2 && exit 2 ;;
	esac
done

missing=()
for package in "${wanted[@]}"; do
	status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
	[ "$status" = "install ok installed" ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

echo "bootstrap: missing Debian packages: ${missing[*]}"
if [ "$(id -u)" -ne 0 ]; then
	echo "bootstrap: install them as root and try again:"
	echo "  sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing[*]}"
	exit 1
fi
echo "bootstrap: installing them with apt-get"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
