#!/usr/bin/env bash
# The proof: every campaign of faults against the platform, in two lanes; one headline, one table, and a report in .proof/.
# bash infra/prove.sh [--quick|--full] [--only NAME]: about five minutes, or forty on two cores.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

unset PYTHONDONTWRITEBYTECODE # hundreds of Pythons are started, and each would compile everything anew
bash infra/setup.sh --dev --quiet
export PATH="$PWD/.venv/bin:$PATH"
python -m infra.kafka.broker fetch >/dev/null

exec python -m tests.proof "$@"
