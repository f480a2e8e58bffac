#!/usr/bin/env bash
# Measures the platform beside its peers, the same work on the same machine, and prints one table: at most 30 minutes.
# bash infra/peers.sh [--quick] [--only NAME]… [--json]. Each peer gets an environment of its own below .peers/, once.
set -euo pipefail
named='' next=''
for argument; do
    case $next$argument in
        name:*) named=yes next='' ;;
        --only) next=name: ;;
        --only=*) named=yes ;;
        --quick | --json) ;;
        -h | --help)
            cat <<'EOF'
Usage: bash infra/peers.sh [--quick] [--only NAME]... [--json]

Measures the platform beside its peers, the same work on the same machine, and prints one table. Before it sets up what
is missing: .venv, Kafka, and for each peer an environment of its own below .peers/, some minutes the first time; with
--only just what these need, each in its turn.

  --quick       one short round and two kills, in at most ten minutes: to see that it works; without, at most thirty
  --only NAME   this contestant alone; may be repeated. An unknown name is answered with all that there are
  --json        one JSON object on one line, last on stdout
EOF
            exit 0
            ;;
        *)
            echo "peers: unknown option '$argument'; there are --quick, --only NAME and --json" >&2
            exit 2
            ;;
    esac
done
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bash infra/setup.sh "" --quiet
export PATH="$PWD/.venv/bin:$PATH"
if [ -z "$named" ]; then
    python -m infra.kafka.broker fetch >/dev/null || echo "peers: without Kafka, what needs it is left out" >&2
    python -m infra.peers.environments >&2 || echo "peers: what is missing is left out of the table, which says so" >&2
fi

exec python -m loadtests peers "$@"
