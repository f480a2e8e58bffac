#!/usr/bin/env bash
# Generate the gRPC stubs from protos/ into the tree (or into the folder given as $1). Directory = package, so that they
# import as they are.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
target=${1:-$root}
python=$root/.venv/bin/python
site=$("$python" -c 'import google.rpc, pathlib; print(pathlib.Path(list(google.rpc.__path__)[0]).parents[1])')
mkdir -p "$target/gateway/v1"
"$python" -m grpc_tools.protoc -I "$root/protos" -I "$site" \
  --python_out="$target" --pyi_out="$target" --grpc_python_out="$target" \
  "$root"/protos/gateway/v1/*.proto
