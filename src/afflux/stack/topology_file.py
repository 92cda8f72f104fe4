"""The topology.yaml that `up` writes: one that works with the stack as it is."""

import hashlib

from afflux.stack.parts.postgres import Shard, Warehouse
from afflux.stack.ports import HOST
from afflux.stack.secure.users import CONTROL, MECHANISM, PASSWORDS, SINK, TOPOLOGY
from afflux.stack.state import WEB_USER, State

TEXT = """\
# Written by `afflux stack up`, and again whenever the stack grows; once you edit it, it is yours and stays as it is.
name: {name}
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

SECURED = """\
# Written by `afflux stack up --secure`, and again whenever the stack grows; once you edit it, it is yours.
name: {name}
kafka:
  bootstrap_servers: "{host}:{kafka}"
  properties:
    security.protocol: SASL_SSL
    ssl.ca.location: {ca}
    sasl.mechanism: {mechanism}
    sasl.username: {control}
    sasl.password: "${{file:{secrets}:{control_password}_password}}"
registry:
  url: "https://{host}:{registry}/apis/ccompat/v7"
  properties:
    ssl.ca.location: {ca}
    basic.auth.user.info: "{web_user}:${{file:{secrets}:registry_api_password}}"
connect:
  url: "https://{host}:{connect}"
  properties:
    ssl.ca.location: {ca}
    basic.auth.user.info: "{web_user}:${{file:{secrets}:connect_api_password}}"
source:
  kind: postgresql
  database: {database}
  user: cdc
  password: "${{file:{secrets}:cdc_password}}"
  shards:
{shards}
  config:
    database.sslmode: verify-full
    database.sslrootcert: {ca}
    # how the connectors' converters reach the registry
    key.converter.apicurio.registry.request.ssl.truststore.location: {java_ca}
    key.converter.apicurio.registry.request.ssl.truststore.type: PKCS12
    key.converter.apicurio.auth.username: {web_user}
    key.converter.apicurio.auth.password: "${{file:{secrets}:registry_api_password}}"
    value.converter.apicurio.registry.request.ssl.truststore.location: {java_ca}
    value.converter.apicurio.registry.request.ssl.truststore.type: PKCS12
    value.converter.apicurio.auth.username: {web_user}
    value.converter.apicurio.auth.password: "${{file:{secrets}:registry_api_password}}"
tables:
  - source: 'public\\..*'
transforms:
  - {{type: RegexRouter, regex: 'shard[0-9]+\\.(.*)', replacement: '$1'}}
sinks:
  - name: warehouse
    type: postgresql
    url: "postgresql://sink:${{file:{secrets}:sink_password}}@{host}:{warehouse}/{target}?sslmode=verify-full&sslrootcert={ca}"
    kafka: {{sasl.username: {sink}, sasl.password: "${{file:{secrets}:{sink_password}_password}}"}}
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
    text = (SECURED if spec.secure else TEXT).format(
        name=TOPOLOGY,
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
        ca=state.authority.trusted,
        java_ca=state.authority.java_trusted,
        mechanism=MECHANISM,
        control=CONTROL,
        control_password=PASSWORDS[CONTROL],
        sink=SINK,
        sink_password=PASSWORDS[SINK],
        web_user=WEB_USER,
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
