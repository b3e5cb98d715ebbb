#!/bin/sh
# Install what Keystead needs, the same way for people (make), CI (.ci/run), the image (Dockerfile)
# and the Debian package (deploy/deb/build.sh).
#
#   deploy/install.sh packages SET...         the Debian packages in deploy/packages/SET.txt that lack
#   deploy/install.sh venv DIR LOCK...        a virtual environment in DIR with the hash-locked LOCKs
#   deploy/install.sh editable DIR            this working tree into DIR, without its dependencies
#   deploy/install.sh locked DIR              what runs in production, without Keystead: a layer
#   deploy/install.sh release DIR             the same with Keystead, compiled, with its SBOM: no pip,
#                                             no build tool, nothing that names this working tree
#
# `locked` and `release` put DIR below $DESTDIR, when that is set, and leave what builds it in
# build/tools. PYTHON names the interpreter for a new virtual environment; without it the first of python3,
# python3.14 .. python3.11 that is new enough is taken. POSIX sh: macOS and slim images run it too.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")

stop() {
    printf '%s\n' "$@" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null 2>&1; then
        sudo "$@"
    else
        stop "This needs root: run it as root, or install sudo."
    fi
}

listed() { # the packages of a set, one per line
    sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$here/packages/$1.txt"
}

installed() {
    dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed ||
        # or another package brings it: the nodejs of Node's own archive holds npm, and refuses Debian's
        dpkg-query -W -f '${db:Status-Status} ${Provides},\n' 2>/dev/null |
        grep -Eq "^installed (.*[ ,])?$1( \([^)]*\))?,"
}

install_packages() {
    for set in "$@"; do
        [ -r "$here/packages/$set.txt" ] || stop "There is no deploy/packages/$set.txt."
    done
    command -v apt-get >/dev/null 2>&1 ||
        stop "This machine has no apt-get. Install the counterparts of these yourself:" \
            "$(for set in "$@"; do listed "$set"; done)"
    missing=
    for set in "$@"; do
        for package in $(listed "$set"); do
            installed "$package" || missing="$missing $package"
        done
    done
    [ -n "$missing" ] || { echo "Every package of: $* is installed."; return; }
    echo "Installing:$missing"
    as_root true
    log=$(mktemp)
    # Word splitting is meant: one argument per package. The pages that installing prints are
    # shown when it fails.
    # shellcheck disable=SC2086
    if ! { as_root apt-get update -q -q -o Acquire::Retries=3 &&
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -q -y \
            --no-install-recommends -o Acquire::Retries=3 $missing; } >"$log" 2>&1; then
        tail -n 40 "$log" >&2
        stop "The packages were not installed; see above."
    fi
    rm -f "$log"
}

new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        new_enough "$PYTHON" || stop \
            "PYTHON=$PYTHON is not a Python 3.11 or newer. Name another: make setup PYTHON=python3.12"
        echo "$PYTHON"
        return
    fi
    for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
        if new_enough "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    stop "Keystead needs Python 3.11 or newer, and found none." \
        "  Debian 12, Ubuntu 24.04 or newer:  apt-get install python3 python3-venv" \
        "  macOS:                             brew install python@3.12" \
        "Or name one that is not on the PATH:  make setup PYTHON=/path/to/python3.12"
}

make_venv() { # DIR LOCK...
    directory=$1
    shift
    # An environment whose interpreter is gone (upgraded, moved) or too old is made again.
    if ! new_enough "$directory/bin/python"; then
        python=$(find_python)
        "$python" -c 'import ensurepip, venv' >/dev/null 2>&1 || stop \
            "$python cannot make virtual environments: its venv module is not installed." \
            "  Debian, Ubuntu:  apt-get install python3-venv" \
            "  macOS:           brew install python@3.12"
        "$python" -m venv --clear "$directory"
    fi
    echo "Installing $* into $directory ..."
    # The locks' own pip first: what Python 3.11 brings takes four times as long for the rest.
    first="$directory/pip.txt"
    awk '/^pip==/ { on = 1 } on { print } on && !/\\$/ { exit }' "$@" >"$first"
    [ ! -s "$first" ] || install_locked "$directory" "$first"
    rm -f "$first"
    for lock in "$@"; do
        install_locked "$directory" "$lock"
    done
}

install_locked() { # DIR LOCK
    whole=
    if grep -q '^pyscard==' "$2" && ! compiles_pyscard; then
        # The lock names everything there is to install, so that nothing is lost by not looking further.
        whole="$1/without-pyscard.txt"
        awk '/^[a-z]/ { off = /^pyscard==/ } !off' "$2" >"$whole"
        echo "Without pyscard, which has to be compiled: tests of the agent are left out. To have them:" \
            "apt-get install swig gcc libc6-dev python3-dev libpcsclite-dev, then make clean setup"
    fi
    # Compiled when first imported: most of what development installs never is.
    "$1/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile \
        --require-hashes ${whole:+--no-deps} --requirement "${whole:-$2}"
    [ -z "$whole" ] || rm -f "$whole"
}

compiles_pyscard() { # in CI it has to; elsewhere there are ready ones
    [ "${CI:-}" = true ] || [ "$(uname)" != Linux ] ||
        { command -v swig && command -v gcc && [ -e /usr/include/PCSC/winscard.h ]; } >/dev/null 2>&1
}

install_project() { # DIR, then pip's own arguments
    directory=$1
    shift
    # The build tools are in the lock: no second, unlocked download for building.
    "$directory/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps \
        --no-build-isolation "$@"
}

tools="$root/build/tools"

make_locked() { # DIR
    make_venv "$tools" "$root/requirements/build.txt"
    # Without pip of its own: what serves has no use for a program that installs programs.
    if ! new_enough "$1/bin/python"; then
        "$(find_python)" -m venv --clear --without-pip "$1"
    fi
    echo "Installing requirements/server.txt into $1 ..."
    "$tools/bin/python" -m pip --python "$1/bin/python" install --quiet \
        --disable-pip-version-check --no-compile --require-hashes \
        --requirement "$root/requirements/server.txt"
}

make_release() { # DIR; the place where it will be used
    place=$1
    built="${DESTDIR:-}$place"
    make_locked "$built"
    rm -rf "$root/build/wheel"
    "$tools/bin/python" -m pip wheel --quiet --disable-pip-version-check --no-deps \
        --no-build-isolation --wheel-dir "$root/build/wheel" "$root"
    "$tools/bin/python" -m pip --python "$built/bin/python" install --quiet \
        --disable-pip-version-check --no-deps --no-compile --force-reinstall \
        "$root"/build/wheel/keystead-*.whl
    # Of the commands only ours, called by the name that the interpreter will have. What else names
    # the place of building goes.
    find "$built/bin" ! -type d ! -name 'python*' ! -name 'keystead*' -exec rm -f {} +
    for command in "$built"/bin/keystead*; do
        sed -i.before "1s|^#!.*|#!$place/bin/python|" "$command"
        rm -f "$command.before"
    done
    find "$built" -path '*/keystead-*.dist-info/direct_url.json' -exec rm -f {} +
    sed -i.before '/^command = /d' "$built/pyvenv.cfg"
    rm -f "$built/pyvenv.cfg.before"
    "$tools/bin/python" "$root/deploy/sbom.py" >"$built/sbom.cdx.json"
    # Compiled now, because who runs it may not write there; by content and not by time, so that
    # two builds are the same. A file that does not compile is none that anybody imports.
    "$built/bin/python" -m compileall -q -f --invalidation-mode unchecked-hash \
        -s "${DESTDIR:-/}" -p / "$built/lib" || :
}

[ $# -gt 0 ] || stop "$(sed -n '2,/^set/s/^# \{0,1\}//p' "$0")"
action=$1
shift
case "$action:$#" in
    packages:[1-9]*) install_packages "$@" ;;
    venv:[2-9]) make_venv "$@" ;;
    editable:1) install_project "$1" --editable "$root" ;;
    locked:1) make_locked "${DESTDIR:-}$1" ;;
    release:1) make_release "$1" ;;
    *) stop "deploy/install.sh: unknown or incomplete: $action $*" ;;
esac
