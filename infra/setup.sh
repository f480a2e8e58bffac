#!/usr/bin/env bash
# Makes .venv in the repository's root and fills it from the lock. Repeatable; quick when nothing changed.
#
#   bash infra/setup.sh          what the platform needs to run
#   bash infra/setup.sh --load   that, and what load tests, their reports and the planner need
#   bash infra/setup.sh --dev    that, and what the tests need
#
# A .venv that has more than is asked for stays as it is. PYTHON names the interpreter; without it, it is the quicker of
# python3 and the system's own, if there are two that will do (quickness.py says why they differ).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

# Says what can be done now, and how to go on, unless a script goes on by itself.
quiet=${2:-}
ready() {
    [ "$quiet" != --quiet ] || return 0
    local next='hutong dev'
    case $kind in
        load) next='hutong load --scenario smoke' ;;
        dev) next='pytest' ;;
    esac
    printf 'setup: .venv (%s) is ready. Next: source .venv/bin/activate && %s\n' "$kind" "$next" >&2
}

kind=runtime
case "${1:-}" in
    --dev) kind=dev ;;
    --load) kind=load ;;
    "") ;;
    -h | --help)
        sed -n '2,/^set /s/^# \{0,1\}//p' "infra/setup.sh"
        exit 0
        ;;
    *) fail "unknown option '$1'; there are --load and --dev" ;;
esac
case "$(cat .venv/hutong.kind 2>/dev/null || true)" in
    dev) kind=dev ;;
    load) [ $kind = dev ] || kind=load ;;
esac

case $kind in
    dev) lock=infra/requirements-dev.txt ;;
    load) lock=infra/requirements-load.txt ;;
    runtime) lock=infra/requirements.txt ;;
esac

# The stamp names all that .venv was made from, and where: a folder that was moved or copied is made anew.
stamp="$kind $PWD $(cat "$lock" infra/requirements-build.txt pyproject.toml infra/setup.sh | cksum)"
if [ "$(cat .venv/hutong.stamp 2>/dev/null || true)" = "$stamp" ] && .venv/bin/python -c "" 2>/dev/null; then
    ready
    exit 0
fi

# Each is asked three times, in turn; another one than python3 must do the same in nine tenths of its time.
quicker() {
    local found=python3 round python took
    local -A best=()
    for round in 1 2 3; do
        for python in python3 /usr/bin/python3 /usr/local/bin/python3; do
            took=$("$python" infra/quickness.py 2>/dev/null) || continue
            [ "$took" -ge "${best[$python]:-$((took + 1))}" ] || best[$python]=$took
        done
    done
    for python in "${!best[@]}"; do
        [ -n "${best[$found]:-}" ] && [ $((best[$python] * 10)) -ge $((best[$found] * 9)) ] || found=$python
    done
    printf '%s' "$found"
}

# The interpreter of a .venv that can be filled anew as it is: then nobody asks which one would be quicker.
stays=.venv/bin/python
"$stays" -c 'import pip, sys; sys.exit(sys.version_info < (3, 11) or sys.prefix != sys.argv[1])' "$PWD/.venv" \
    2>/dev/null || stays=

python=${PYTHON:-${stays:-$(quicker)}}
command -v "$python" >/dev/null ||
    fail "$python was not found. Install Python 3.11 or newer, or name one: PYTHON=/path/to/python3 bash infra/setup.sh"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$python is $("$python" --version 2>&1); Python 3.11 or newer is needed. Name one: PYTHON=python3.11 bash infra/setup.sh"

printf 'setup: making .venv (%s) with %s from %s\n' "$kind" "$python" "$lock" >&2
rm -f .venv/hutong.stamp
if [ -z "$stays" ]; then
    rm -rf .venv
    "$python" -m venv .venv || {
        rm -rf .venv
        fail "$python could not make a virtual environment; on Debian and Ubuntu: apt-get install python3-venv"
    }
fi

# uv and the build backend are locked too, and stay in .venv: nothing is built from what was not checked.
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r infra/requirements-build.txt ||
    fail "pip could not install uv; see above"
uv=(env "VIRTUAL_ENV=$PWD/.venv" .venv/bin/python -m uv pip)
"${uv[@]}" sync --quiet --require-hashes "$lock" infra/requirements-build.txt ||
    fail "could not install what $lock names; see above. Behind a proxy with a certificate of its own: SSL_CERT_FILE=FILE"
"${uv[@]}" install --quiet --no-deps --no-build-isolation --editable . ||
    fail "could not install the project itself; see above"

printf '%s' "$kind" >.venv/hutong.kind
printf '%s' "$stamp" >.venv/hutong.stamp
ready
