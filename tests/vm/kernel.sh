#!/bin/bash
# Fetches Debian's kernel package, only unpacked, never installed, and prints where it is:
#	kernel.sh CACHE_DIR
# CACHE_DIR then has vmlinux (uncompressed: boots faster), modules/lib/modules/VERSION and version.
set -eu

cache=$1
if [ -s "$cache/version" ]; then
	exit 0
fi
mkdir -p "$cache"
cd "$cache"
# The package that linux-image-amd64 stands for.
kernel_package() {
	apt-cache depends linux-image-amd64 2>/dev/null |
		sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1
}

package=$(kernel_package)
if [ -z "$package" ] && [ "$(id -u)" -eq 0 ]; then
	apt-get update -qq >&2
	package=$(kernel_package)
fi
if [ -z "$package" ]; then
	echo "kernel.sh: apt knows no linux-image-amd64; run 'apt-get update' as root first" >&2
	exit 1
fi
apt-get download -q -o APT::Sandbox::User=root "$package" >&2
rm -rf modules
dpkg -x linux-image-*.deb modules
rm -f linux-image-*.deb
version=$(basename "$(ls -d modules/lib/modules/*)")
depmod -b modules -F /dev/null "$version"

# What the kernel's own extract-vmlinux does: find the compressed image inside bzImage by its magic.
python3 - "modules/boot/vmlinuz-$version" vmlinux <<'PYTHON'
import lzma, subprocess, sys, zlib
image = open(sys.argv[1], "rb").read()
magics = {b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"\x1f\x8b\x08": "gzip"}
for magic, kind in magics.items():
	at = image.find(magic)
	while at >= 0:
		try:
			if kind == "xz":
				data = lzma.LZMADecompressor().decompress(image[at:])
			elif kind == "gzip":
				data = zlib.decompressobj(31).decompress(image[at:])
			else:
				done = subprocess.run(["zstd", "-dc"], input=image[at:], capture_output=True)
				data = done.stdout
		except (lzma.LZMAError, zlib.error):
			data = b""
		if data[:4] == b"\x7fELF":
			open(sys.argv[2], "wb").write(data)
			sys.exit(0)
		at = image.find(magic, at + 1)
sys.exit("kernel.sh: no compressed kernel found in " + sys.argv[1])
PYTHON
echo "$version" >version
