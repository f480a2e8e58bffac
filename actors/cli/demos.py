"""The sub-commands of `hutong demo`. What they run is imported when they run."""

from pathlib import Path
from typing import Annotated

import typer

from actors.cli.options import Json

demo = typer.Typer(help="See the platform at work on real data.", no_args_is_help=True)


@demo.command("shop")
def demo_shop(
    file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A shop's year as CSV; by default an excerpt that ships.")
    ] = None,
    log: Annotated[str, typer.Option(help="embedded or kafka.")] = "embedded",
    hosts: Annotated[int, typer.Option(metavar="NUMBER", min=1, max=256)] = 2,
    kill_hosts: Annotated[
        int, typer.Option(metavar="NUMBER", min=0, max=100, help="Kill so many hosts (kill -9) in the middle.")
    ] = 0,
    stay: Annotated[bool, typer.Option(help="Keep serving afterwards.")] = False,
    json: Json = False,
) -> None:
    """Play a real year of a real shop through the gateway, and check the sums."""
    from actors.cli.demo import play_shop

    play_shop(file, log, hosts, kill_hosts, stay, json)


@demo.command("day-in-the-city")
def demo_day(
    folder: Annotated[
        Path | None,
        typer.Option(
            "--dir",
            metavar="FOLDER",
            help="The folder of a platform that runs with HUTONG_IDENTITY_REQUIRED=true; without, one is brought up.",
        ),
    ] = None,
    log: Annotated[str, typer.Option(help="embedded or kafka.")] = "embedded",
    hosts: Annotated[int, typer.Option(metavar="NUMBER", min=1, max=256)] = 2,
    stay: Annotated[bool, typer.Option(help="Keep serving afterwards: then `hutong why` explains every step.")] = False,
    json: Json = False,
) -> None:
    """Play one person's day: bike, meal, shop, seat, taxi, game, identity card, erasure; and check what came of it."""
    from actors.cli.city import play_day

    play_day(folder, log, hosts, stay, json)
