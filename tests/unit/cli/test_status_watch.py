"""`afflux status --watch` ends when somebody has seen enough."""

import os
import signal
import subprocess
import sys
from pathlib import Path

TEXT = """
name: orders
kafka: {bootstrap_servers: "127.0.0.1:1"}
registry: {url: "http://127.0.0.1:1"}
connect: {url: "http://127.0.0.1:1"}
source: {database: app, user: cdc, password: "${env:PASSWORD}", shards: [{name: shard0, host: 127.0.0.1, port: 1}]}
tables: [{source: public.t, target: public.t}]
sinks: [{name: warehouse, type: postgresql, url: "postgresql://127.0.0.1:1/dw"}]
"""


def test_ctrl_c_is_the_way_out_and_no_failure(tmp_path: Path) -> None:
    file = tmp_path / "topology.yaml"
    file.write_text(TEXT)
    master, slave = os.openpty()
    command = [sys.executable, "-m", "afflux", "status", "--watch", "-t", str(file)]
    process = subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, env=os.environ | {"PASSWORD": "x", "TERM": "xterm"}
    )
    os.close(slave)
    shown = b""
    while b"\x1b[?1049h" not in shown:  # it has the screen, and looks
        shown += os.read(master, 65536)
    process.send_signal(signal.SIGINT)
    try:
        assert process.wait(60) == 0
    finally:
        process.kill()
    assert b"Traceback" not in shown
    os.close(master)
