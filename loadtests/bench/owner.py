"""The owner of an embedded log, as a process for the benchmark; it ends with the process that started it."""

import sys
from pathlib import Path

from actors.adapters.embedded.server import serve

if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.argv[2])
