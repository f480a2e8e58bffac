#!/usr/bin/env bash
# Sets up everything the tests need, Kafka included, and runs them all: the linter, the formatter and both type checkers
# (as tests, so that the closing line counts them), the unit tests, real Kafka, the platform from end to end, and beside and after
# them the quick sizes of the proof's campaigns, to which the tests are left that do nothing else (the marker `proved`; the worlds of
# tests/simulation are most of them). Two processes share the tests, a file at a time, since most of what takes long is
# waiting for processes to start and end. Options go to pytest, and then that is all: bash infra/test.sh -k broker. Plain
# `pytest` runs what needs nothing external, in a minute.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

unset PYTHONDONTWRITEBYTECODE # hundreds of Pythons are started, and each would compile everything anew
export JDK_JAVA_OPTIONS="-XX:TieredStopAtLevel=1 ${JDK_JAVA_OPTIONS:-}" # brokers live for seconds: only the fast compiler pays

bash infra/setup.sh --dev --quiet
export PATH="$PWD/.venv/bin:$PATH"
python -m infra.kafka.broker fetch >/dev/null

for tool in go strace; do
    if ! command -v "$tool" >/dev/null; then
        printf '\n*** %s was not found: the tests that need it are SKIPPED, and listed below. ***\n\n' "$tool" >&2
    fi
done

shared=(-n 2 --dist loadfile --no-loadscope-reorder --durations=15)
if [ $# -gt 0 ]; then
    exec pytest -m "" "${shared[@]}" "$@"
fi
# What the tests leave idle is for those campaigns that only compute; one word, and the others follow.
exec 3> >(exec python -m tests.proof --quick --beside)
proof=$!
pytest -m "not proved" "${shared[@]}" 3>&-
echo through >&3
wait "$proof"
