#!/usr/bin/env bash
# Makes .venv and installs what the app needs; with `dev`, what the tests need too, and a browser.
# Silent when there is nothing to do.
set -euo pipefail
cd "$(dirname "$0")/.."

kind="${1:-app}"
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
# The lone -qq hides pip's progress and warnings, never its errors. Modules are compiled when they are first imported:
# most never are, and to compile them all would add two thirds to the time of installation.
pip() { .venv/bin/python -m pip install -qq --no-compile --retries 2 --timeout 30 "$@"; }
say() { echo "setup: $*" >&2; }
fail() { say "$*"; exit 1; }

find_python() {
    local candidate
    for candidate in "${PYTHON:-}" python3 python3.14 python3.13 python3.12 python3.11 python; do
        [ -n "$candidate" ] || continue
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    fail "Python 3.11 or newer is needed and was not found; install it, or name it: PYTHON=/path/to/python3.11 make demo"
}

make_venv() {
    [ -x .venv/bin/python ] && return
    local python
    python="$(find_python)"
    say "making .venv with $("$python" --version)"
    trap 'rm -rf .venv; exit 130' INT TERM  # the next run would take half a .venv for a whole one
    "$python" -m venv .venv || {
        rm -rf .venv
        fail "$python cannot make a virtual environment; on Debian and Ubuntu: apt-get install python3-venv"
    }
    trap - INT TERM
}

# Without an NVIDIA driver, the CPU build does the same work and is gigabytes smaller.
install_torch() {
    .venv/bin/python -c 'import torch' 2>/dev/null && return
    local torch index=https://download.pytorch.org/whl/cpu
    torch="$(grep '^torch==' requirements.txt)"
    [ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || return 0
    [ ! -e /proc/driver/nvidia/version ] && ! command -v nvidia-smi >/dev/null || return 0
    .venv/bin/python tools/reachable.py "$index/torch/" || return 0
    say "installing torch, which is the largest"
    pip --extra-index-url "$index" "$torch" || say "the CPU build of torch cannot be installed, taking the usual one"
}

install_packages() {
    .venv/bin/python -m pip --version >/dev/null 2>&1 ||
        fail ".venv has no pip; remove it with rm -rf .venv, and run the command again"
    say "installing packages, a few minutes the first time"
    install_torch
    say "installing the others"
    local wanted=(-r requirements.txt)
    [ "$kind" = dev ] && wanted+=(-e '.[dev]')
    # The lock has the hashes of all that the app needs but torch.
    pip --no-deps --require-hashes -r requirements.lock && pip "${wanted[@]}" ||
        fail "installing failed; remove the cause named above, and run the command again"
}

# OpenCV needs two system libraries that slim images lack.
check_opencv() {
    local error
    error="$(.venv/bin/python -c 'import cv2' 2>&1)" && return
    case "$error" in
    *libGL* | *libgthread* | *libglib* | *"cannot open shared object"*) ;;
    *) fail "opencv-python does not load: $(tail -n 1 <<<"$error")" ;;
    esac
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "installing libgl1 and libglib2.0-0, which opencv-python needs"
        apt-get update -qq && apt-get install -qq -y libgl1 libglib2.0-0 >/dev/null
        .venv/bin/python -c 'import cv2' && return
    fi
    fail "opencv-python needs the system libraries libGL and glib; on Debian and Ubuntu: sudo apt-get install libgl1 libglib2.0-0"
}

main() {
    make_venv
    local stamp=".venv/.installed-$kind" wanted
    wanted="$(cat requirements.txt requirements.lock pyproject.toml tools/setup.sh | cksum)"
    [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && return
    install_packages
    check_opencv
    if [ "$kind" = dev ]; then
        .venv/bin/python tools/browser.py --install
        .venv/bin/python tools/axe.py
    fi
    echo "$wanted" >"$stamp"
}

main
