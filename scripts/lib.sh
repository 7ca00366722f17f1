# lib.sh - what the scripts share; sourced by them, after `set -euo pipefail`.
#
# Sets `root` (the checkout) and changes into it: the scripts work from any folder, also where its
# path has spaces.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
cd "$root" || exit 1

# Tools that setup installed for this checkout alone (a newer CMake) come first.
tools="$root/build/tools"
PATH="$tools/bin:$PATH"
export PATH

say() { printf '%s\n' "$*" >&2; }
heading() { printf '\n== %s\n' "$*" >&2; }
die() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

# have NAME: a command of that name exists.
have() { command -v "$1" >/dev/null 2>&1; }

# Under sudo, in the checkout of the one who called it: what root makes there is given to them.
called_by_sudo() {
    [ "$(id -u)" = 0 ] && [ "${SUDO_UID:-0}" != 0 ] && [ "$(stat -c %u "$root")" = "$SUDO_UID" ]
}
give_back() {
    if called_by_sudo && [ -e "$root/build" ]; then chown -R "$SUDO_UID:$SUDO_GID" "$root/build"; fi
}

# Under sudo, only setup needs root. What follows it runs as the one who called it, so that build files
# do not end up owned by root; unless the checkout is root's, who alone can write there.
run_setup_then_drop_root() { # setup's arguments, "--", the script's own arguments
    local setup_arguments=()
    while [ "$1" != -- ]; do
        setup_arguments+=("$1")
        shift
    done
    shift
    if [ "${BACKPROP_SETUP_DONE:-}" = 1 ]; then return 0; fi
    "$root/scripts/setup" ${setup_arguments[@]+"${setup_arguments[@]}"}
    if called_by_sudo && have sudo; then
        give_back
        exec sudo -u "#$SUDO_UID" -H env BACKPROP_SETUP_DONE=1 CI="${CI:-}" \
            BACKPROP_DEVICE="${BACKPROP_DEVICE:-auto}" "$root/scripts/$(basename "$0")" "$@"
    fi
}

# Compiled kernels are cached below HOME; where there is none to write to, below build/.
set_kernel_cache() {
    local cache="${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}"
    if [ -z "${POCL_CACHE_DIR:-}" ] &&
        ! { [ -n "$cache" ] && mkdir -p "$cache" 2>/dev/null && [ -w "$cache" ]; }; then
        export POCL_CACHE_DIR="$root/build/pocl-cache"
        mkdir -p "$POCL_CACHE_DIR"
    fi
}

# build PRESET: configures where that is needed, and builds. Quiet unless something fails.
build() {
    local log="build/$1.log" jobs
    mkdir -p build
    jobs=$(nproc 2>/dev/null || echo 2)
    # Honoured in a fresh build folder only; an older one keeps the generator it was made with.
    if have ninja; then export CMAKE_GENERATOR=Ninja; fi
    if ! { cmake --preset "$1" && cmake --build --preset "$1" -j "$jobs"; } >"$log" 2>&1; then
        tail -n 40 "$log" >&2
        die "the build failed; all of its output is in $root/$log"
    fi
}
