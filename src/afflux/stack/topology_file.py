"""The topology.yaml that `up` writes: one that works with the stack as it is."""

import hashlib

from afflux.stack.parts.postgres import Shard, Warehouse
from afflux.stack.ports import HOST
from afflux.stack.state import State

TEXT = """\
# Written by `afflux stack up`, and again whenever the stack grows; once you edit it, it is yours and stays as it is.
name: local
kafka: {{bootstrap_servers: "{host}:{kafka}"}}
registry: {{url: "http://{host}:{registry}/apis/ccompat/v7"}}
connect: {{url: "http://{host}:{connect}"}}
source:
  kind: postgresql
  database: {database}
  user: cdc
  password: "${{file:{secrets}:cdc_password}}"
  shards:
{shards}
tables:
  - source: 'public\\..*'
transforms:
  - {{type: RegexRouter, regex: 'shard[0-9]+\\.(.*)', replacement: '$1'}}
sinks:
  - name: warehouse
    type: postgresql
    url: "postgresql://{owner}:${{file:{secrets}:warehouse_password}}@{host}:{warehouse}/{target}"
"""


def write_topology(state: State) -> bool:
    """Write the topology, unless somebody has edited it since.

    Args:
        state: of the stack; remembers what was written.

    Returns:
        Whether the file now says what the stack is.
    """
    spec = state.spec
    shards = [f"    - {{name: shard{n}, host: {HOST}, port: {spec.ports[f'shard{n}']}}}" for n in range(spec.shards)]
    text = TEXT.format(
        host=HOST,
        kafka=spec.ports["kafka"],
        registry=spec.ports["registry"],
        connect=spec.ports["connect-0"],
        database=Shard.database,
        secrets=state.secrets_file,
        shards="\n".join(shards),
        owner=Warehouse.owner,
        warehouse=spec.ports["warehouse"],
        target=Warehouse.database,
    )
    path = state.topology_file
    if path.exists() and _hash(path.read_text()) not in {spec.topology_hash, _hash(text)}:
        return False
    making = path.with_name(f"{path.name}.part")
    making.write_text(text)
    making.replace(path)
    spec.topology_hash = _hash(text)
    state.save()
    return True


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
