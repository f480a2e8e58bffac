"""The command line `hutong`, and the wiring of all parts: nothing below knows which log or which stores are used."""

import sys

from actors.cli.output import fail, say
from actors.errors import PlatformError


def main() -> None:
    """The console script: errors that tell who must act are printed without a traceback, unless --debug is given."""
    from actors.cli.app import app

    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        app(arguments)
    except PlatformError as error:
        if debug:
            raise
        fail(error, "--json" in arguments)
    except KeyboardInterrupt:
        say("ended")
        raise SystemExit(130) from None
