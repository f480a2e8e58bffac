"""`python -m actors.cli`: the same as `hutong`."""

from actors.cli import main

main()
