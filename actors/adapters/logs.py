"""Opens the log that an address names."""

from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from actors.errors import SetupError
from actors.ports import Log
from actors.settings import ProcessSettings

SCHEMES = "embedded://127.0.0.1:PORT or kafka://HOST:PORT,HOST:PORT?OPTION=VALUE&…"
_FILE = "_file"


def open_log(url: str, process: ProcessSettings, token: str = "") -> Log:
    """A client of the log at this address; it connects by itself, now or later.

    A Kafka option may be given as `NAME_file=PATH` to keep a secret out of the command line.
    Raises SetupError if the address is not understood.
    """
    parts = urlsplit(url)
    addresses = [address for address in parts.netloc.split(",") if address]
    if parts.scheme not in ("embedded", "kafka") or not addresses:
        raise SetupError(f"{url!r} is no address of a log; say {SCHEMES}", reason="LOG_ADDRESS")
    for address in addresses:
        if not address.rpartition(":")[2].isdigit():
            raise SetupError(
                f"{address!r} in the address of the log names no port; say {SCHEMES}", reason="LOG_ADDRESS"
            )
    if parts.scheme == "embedded":
        # Imported here: a process that uses one log does not pay for loading the other's library.
        from actors.adapters.embedded.client import RemoteLog

        return RemoteLog(addresses[0], token, process)
    from actors.adapters.kafka import KafkaLog

    return KafkaLog(addresses, kafka_options(parts.query), process.append_deadline_ms)


def kafka_options(query: str) -> dict[str, object]:
    """What stands after the question mark of a Kafka address. Raises SetupError naming what is not understood."""
    from actors.adapters.kafka_library import OPTIONS

    options: dict[str, object] = {}
    for name, given in parse_qsl(query, keep_blank_values=True):
        value = given
        if name.endswith(_FILE) and name.removesuffix(_FILE) in OPTIONS:
            name = name.removesuffix(_FILE)
            value = _read(given)
        if name not in OPTIONS:
            raise SetupError(
                f"{name!r} is no option of a Kafka log; there are: {', '.join(OPTIONS)}", reason="LOG_OPTION"
            )
        options[name] = OPTIONS[name](value)
    return options


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise SetupError(f"the file {path} of a Kafka option cannot be read: {error.strerror}") from error
