"""`afflux init`: a first topology."""

import os
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from afflux.cli.terminal import say, script
from afflux.clients.connect import Connect
from afflux.clients.postgres import Login, session
from afflux.control import choose
from afflux.errors import UsageError
from afflux.onboarding.adopt import adopt
from afflux.onboarding.draft import TARGET, Place, from_shards
from afflux.topology.load import loads


def init(
    shards: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME=URL",
            help="Shards, as in shard0=postgresql://cdc@10.0.0.1/app; the password comes from PGPASSWORD.",
            show_default=False,
        ),
    ] = None,
    from_connect: Annotated[
        str, typer.Option(help="Adopt the Debezium connectors of this Kafka Connect, by its REST address.")
    ] = "",
    connector: Annotated[
        list[str] | None, typer.Option(help="Only those connectors, also as 'orders-*'; several times.")
    ] = None,
    name: Annotated[str, typer.Option(help="The topology's name, of which other names are made.")] = "main",
    target: Annotated[str, typer.Option(help="The warehouse's URL, its password a reference.")] = TARGET,
    to: Annotated[Path, typer.Option("--to", help="The file to write; - for standard output.")] = Path("topology.yaml"),
) -> None:
    """Write a first topology: of what shards hold, or around connectors that somebody made by hand.

    Of shards: each is asked for its tables; equal ones become one entry, and what needs a person's eye becomes a
    comment. Around connectors: their names, slots, publications and topics become templates, so that nothing is made
    or copied again; the connectors stay as they are until you remove `connectors: given`.

    A file that is there is never written over.
    """
    if bool(shards) == bool(from_connect):
        raise UsageError("give either shards, as NAME=URL, or --from-connect", hint="see afflux init --help")
    if str(to) != "-" and to.exists():
        raise UsageError(f"{to} is there already", hint="name another file with --to, or - to print it")
    if from_connect:
        connectors = Connect(from_connect).connectors()
        meant = choose(connector or ["*"], connectors, what="connector")
        draft = adopt(name, from_connect, {each: connectors[each] for each in meant}, target=target)
    else:
        places = {place.name: (place, login) for place, login in map(_shard, shards or ())}
        held = {}
        for place, login in places.values():
            with session(login) as source:
                held[place.name] = source.relations()
        users = {login.user for _place, login in places.values()}
        if len(users) > 1:
            raise UsageError(f"the shards' users differ: {', '.join(sorted(users))}", hint="a topology has one user")
        draft = from_shards(name, users.pop(), [place for place, _login in places.values()], held, target=target)
    text = draft.text()
    loads(text, name=str(to))
    if str(to) == "-":
        script(text)
    else:
        to.write_text(text)
        say(f"wrote {to}: {len(draft.shards)} shards, {len(draft.tables)} tables; next: afflux doctor")


def _shard(given: str) -> tuple[Place, Login]:
    name, equals, address = given.partition("=")
    try:
        url: URL = make_url(address)
    except ArgumentError:
        equals = ""
    if not equals or not url.host or not url.database or not url.username:
        raise UsageError(
            f"{name!r} is no shard: it has to be NAME=URL, with user, host and database",
            hint="as in shard0=postgresql://cdc@10.0.0.1:5432/app",
        )
    place = Place(name, url.host, url.port or 5432, url.database)
    password = url.password or os.environ.get("PGPASSWORD", "")
    return place, Login(name, place.host, place.port, place.database, url.username, password)
