#!/usr/bin/env bash
# Sets up, then runs the main job: a shop's year through gateway, log and hosts. Needs Python alone.
# Options are those of `hutong demo shop`, for example: bash infra/run.sh --log kafka --kill-hosts 3
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bash "$here/setup.sh" "" --quiet
exec "$here/../.venv/bin/hutong" demo shop "$@"
