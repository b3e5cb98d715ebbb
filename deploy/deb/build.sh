#!/bin/sh
# Build the Debian package: dist/keystead_VERSION_ARCH.deb, with everything but Python itself.
#
#   make deb            or      deploy/deb/build.sh
#
# PYTHON names the interpreter that it is for, which must belong to a Debian package (/usr/bin/python3
# when nothing is said): compiled libraries fit one minor version only, and the package depends on it.
# SOURCE_DATE_EPOCH dates the files; without it the last commit does. It needs dpkg-deb and no root.
set -eu
umask 022

here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$(dirname "$here")")
stage="$root/build/deb"
place=/usr/lib/keystead

stop() {
    printf '%s\n' "$@" >&2
    exit 1
}

for program in dpkg dpkg-deb dpkg-query; do
    command -v "$program" >/dev/null || stop "make deb needs $program: it builds on Debian and its kin."
done
python=$(readlink -f "${PYTHON:-/usr/bin/python3}") || stop "There is no ${PYTHON:-/usr/bin/python3}."
owner=$(dpkg-query -S "$python" 2>/dev/null | head -n 1) || :
[ -n "$owner" ] || stop "$python belongs to no Debian package, so that a package cannot depend on it." \
    "Name one that does: make deb PYTHON=/usr/bin/python3"
minor=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$root/pyproject.toml")
arch=$(dpkg --print-architecture)
: "${SOURCE_DATE_EPOCH:=$(git -C "$root" log -1 --format=%ct 2>/dev/null || date +%s)}"
export SOURCE_DATE_EPOCH

# The environment stays for the next build when it is of the same lock and interpreter.
base=$({ cat "$root/requirements/server.txt" "$root/deploy/install.sh"; "$python" --version; } | cksum)
[ "$(cat "$stage/base" 2>/dev/null)" = "$base" ] || rm -rf "$stage"
# All the rest is made anew: what a build before put there must not come along.
rm -rf "$stage/root/DEBIAN" "$stage/root/usr/bin" "$stage/root/usr/share" "$stage/root/usr/lib/systemd"
mkdir -p "$stage/root/usr/lib"
DESTDIR="$stage/root" PYTHON="$python" "$root/deploy/install.sh" release "$place"
echo "$base" >"$stage/base"

cd "$stage/root"
documents=usr/share/doc/keystead
install -D -m 0755 "$here/keystead" usr/bin/keystead
# Ceremonies work on the files of whoever holds them, as that user.
ln -s ../lib/keystead/bin/keystead-ceremony usr/bin/keystead-ceremony
install -D -m 0644 "$root/deploy/systemd/keystead.service" usr/lib/systemd/system/keystead.service
install -D -m 0644 "$root/docs/deployment.md" "$documents/deployment.md"
install -D -m 0644 "$root/deploy/security.txt" "$documents/examples/security.txt"
# A prober belongs on another host, with a user of its own: whoever sets one up takes this unit.
install -m 0644 "$root/deploy/systemd/keystead-probe.service" "$documents/examples"
install -m 0644 .$place/sbom.cdx.json "$root/README.md" "$root/CHANGELOG.md" "$root/docs/operations.md" \
    "$root/docs/probing.md" "$documents"
cat >"$documents/copyright" <<END
Keystead. Copyright: The Keystead authors.
License: Apache-2.0, in /usr/share/common-licenses/Apache-2.0 on this system.
The libraries below $place/lib carry their own licenses, each in its .dist-info directory.
END

install -d DEBIAN
for script in postinst prerm postrm; do
    install -m 0755 "$here/$script" "DEBIAN/$script"
done
# As dpkg-gencontrol counts: what a file system makes of the files differs from build to build.
installed_kib=$(find usr -printf '%y %s\n' |
    awk '{ kib += $1 == "f" ? int(($2 + 1023) / 1024) : 1 } END { print kib }')
cat >DEBIAN/control <<END
Package: keystead
Version: $version
Architecture: $arch
Maintainer: The Keystead authors <keystead@localhost>
Section: admin
Priority: optional
Installed-Size: $installed_kib
Depends: adduser, init-system-helpers, python$minor, libc6 (>= $(getconf GNU_LIBC_VERSION | cut -d ' ' -f 2))
Suggests: postgresql
Description: YubiKey OTP validation service
 Validates one-time passwords of YubiKeys on your own machines and speaks
 Yubico's validation protocol 2.0. An OTP is accepted once, ever, after its
 counter is durably stored.
 .
 The service does not start before "keystead init" has made its data directory.
END
find . -path ./DEBIAN -prune -o -type f -print | LC_ALL=C sort | sed 's|^\./||' | tr '\n' '\0' |
    xargs -0 md5sum >DEBIAN/md5sums
chmod 0644 DEBIAN/control DEBIAN/md5sums

mkdir -p "$root/dist"
deb="$root/dist/keystead_${version}_$arch.deb"
# The fastest level: a tenth of the time for a fifth more octets.
dpkg-deb --root-owner-group -Zxz -z1 --build "$stage/root" "$deb" >/dev/null
echo "Built dist/$(basename "$deb")"
