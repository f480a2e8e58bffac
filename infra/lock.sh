#!/usr/bin/env bash
# Writes the locks anew from pyproject.toml. Versions that fit stay; `bash infra/lock.sh --upgrade` takes the newest.
# Each lock holds hashes and no address. The other locks keep to the versions of the development lock.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

compile() {
    .venv/bin/python -m uv pip compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links \
        --python-version 3.11 --custom-compile-command "bash infra/lock.sh" "$@"
}

compile pyproject.toml --extra load --group dev --output-file infra/requirements-dev.txt "$@"
compile pyproject.toml --extra load --constraints infra/requirements-dev.txt --output-file infra/requirements-load.txt
compile pyproject.toml --constraints infra/requirements-dev.txt --output-file infra/requirements.txt
for peer in infra/peers/*.in; do
    compile "$peer" --output-file "${peer%.in}.txt" "$@"
done
printf '%s\n' uv hatchling editables | compile - --constraints infra/requirements-dev.txt \
    --output-file infra/requirements-build.txt "${@}"
