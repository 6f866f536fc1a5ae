"""The server's process: what was loaded before it is ready is nothing that the collector looks at again."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import gc
import uvicorn
from omniloom.serving.guard.drain import Drain
from omniloom.serving.listening import listen
from omniloom.serving.server import DrainingServer

async def app(scope, receive, send):
    raise AssertionError

config = uvicorn.Config(app, lifespan="off", log_config=None)
server = DrainingServer(config, drain=Drain(), drain_s=1, handshake_s=1)
server.owns_process = {owns_process}

def tell():
    print(gc.get_freeze_count() > 10_000, len(gc.get_objects()) < 10_000)
    server.leave()

server.on_ready = tell
with listen("127.0.0.1", 0) as listener:
    server.run(sockets=[listener])
"""


@pytest.mark.parametrize("owns_process", [True, False])
def test_what_was_loaded_is_kept_where_the_process_is_the_servers_own(owns_process: bool) -> None:
    code = PROGRAM.format(owns_process=owns_process)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.split() == [str(owns_process)] * 2, done.stderr
