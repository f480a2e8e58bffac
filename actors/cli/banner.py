"""What a platform prints when it is ready: every address, every process, the data folder, what to do next."""

from msgspec import to_builtins

from actors.cli import output, wiring
from actors.cli.running import Run

EXAMPLE_CALL = """programs/bike/stations/2351 bike.station.open '{"name": "Sogn", "docks": 18, "bikes": 9}'"""


class Banner:
    """The banner of one run; `notes` are what an operator must know."""

    def __init__(self, run: Run, notes: tuple[str, ...] = ()) -> None:
        self._run = run
        self._notes = notes

    def show(self, as_json: bool) -> None:
        """Print it: as one JSON object, or for a person."""
        run = self._run
        if as_json:
            output.result({"ready": True, **to_builtins(run)}, as_json=True)
            return
        lines = [
            f"Hutong is ready ({run.mode}).",
            f"  gateway    {run.gateway}  (gRPC, {self._guarded()})",
            *(f"  metrics    http://{address}/metrics  ({name})" for name, address in run.metrics.items()),
            *([f"  log        {run.log_url}"] if run.log_url else []),
            f"  data       {run.folder}",
            f"  processes  {', '.join(f'{process.role} {process.pid}' for process in run.processes)}",
            *(f"  note       {note}" for note in self._notes),
            "",
            "Try:",
            f"  {self._example()}",
            f"  hutong status --dir {run.folder}",
        ]
        print("\n".join(lines), flush=True)

    def _guarded(self) -> str:
        """How it is guarded: what goes over the wire, and whether callers prove who they are."""
        wire = "TLS" if self._run.tls_cert else "plain text, this machine only"
        return f"{wire}; {'every call needs a token' if self._run.identity else 'callers are taken at their word'}"

    def _example(self) -> str:
        """What to begin with: the first program that was given, or one of those that ship."""
        app = wiring.app_of(self._run.programs)
        place = f"--dir {self._run.folder}"
        return f"hutong describe {place} {app}" if app else f"hutong call {place} {EXAMPLE_CALL}"
