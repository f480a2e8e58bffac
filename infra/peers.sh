#!/usr/bin/env bash
# Measures the platform beside its peers, the same work on the same machine, and prints one table: at most 30 minutes.
# bash infra/peers.sh [--quick] [--only NAME]… [--json]. Each peer gets an environment of its own below .peers/, once.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bash infra/setup.sh
export PATH="$PWD/.venv/bin:$PATH"
python -m infra.kafka.broker fetch >/dev/null || echo "peers: without Kafka, what needs it is left out" >&2
python -m infra.peers.environments >&2 || echo "peers: what is missing is left out of the table, which says so" >&2

exec python -m loadtests peers "$@"
