"""Replicas of one model behind Ray Serve: the same application as `omniloom serve`, on one machine or on a cluster.

Ray Serve's proxy gives each request, and each socket for its whole life, to the replica with less to do, and Ray starts
a replica again that dies. Keys, limits and metrics are each replica's own, so a client's rate is counted by replica.
TLS is for a proxy in front.

    pip install 'omniloom[serve,ray]'
    python deploy/ray_serve.py --replicas 2 --port 7860
    python deploy/ray_serve.py runs/mine/checkpoint --replicas 8 --api-keys /etc/omniloom/keys.json --address auto
"""

from __future__ import annotations

import argparse
import os
import signal
import threading
from pathlib import Path

import ray
from fastapi import FastAPI
from ray import serve
from ray.serve.config import HTTPOptions

from omniloom.cli.parsing import positive_int
from omniloom.serving import Limits

APP, DEPLOYMENT = "omniloom", "Replica"
WAITING_S = 30.0
"""How long a replica that is to go lets its requests and sessions end."""


def build(checkpoint: str, api_keys: str | None) -> FastAPI:
    """One replica's application; evaluated in the replica, which loads the model."""
    import torch

    from omniloom import Omni
    from omniloom.serving import create_app
    from omniloom.serving.guard import KeyRing
    from omniloom.serving.realtime import warm_up
    from omniloom.serving.telemetry import Metrics

    torch.set_num_threads(1)
    omni = Omni.load(checkpoint)
    warm_up(omni)
    return create_app(
        omni,
        model_name=Path(checkpoint).name,
        turns_remembered=0 if checkpoint == "tiny" else None,
        is_local=True,
        keys=KeyRing(api_keys) if api_keys else None,
        # Which replica answered stands in every metric, for the proxy asks one of them.
        metrics=Metrics(worker=serve.get_replica_context().replica_id.unique_id),
    )


def start(checkpoint: str, *, replicas: int, port: int, api_keys: str | None = None) -> None:
    """Serve on this machine's loopback through the Ray that is running, once every replica is ready."""
    limits = Limits()

    def application() -> FastAPI:  # Ray tells a builder from an application by its being a function.
        return build(checkpoint, api_keys)

    serve.start(http_options=HTTPOptions(host="127.0.0.1", port=port))
    replica = serve.deployment(
        name=DEPLOYMENT,
        num_replicas=replicas,
        # A session is one request for as long as it lasts; beyond this the replica itself refuses.
        max_ongoing_requests=limits.sessions + limits.requests_at_once + limits.waiting_requests,
        graceful_shutdown_timeout_s=WAITING_S,
        ray_actor_options={"num_cpus": 1, "runtime_env": {"env_vars": {"OMP_NUM_THREADS": "1"}}},
    )(serve.ingress(application)())
    serve.run(replica.bind(), name=APP, route_prefix="/")


def main() -> None:
    parser = argparse.ArgumentParser(description="Replicas of one model behind Ray Serve.")
    parser.add_argument(
        "checkpoint", nargs="?", default="tiny", help="a shipped model's name or a folder (default: tiny)"
    )
    parser.add_argument("--replicas", type=positive_int, default=2, help="a core and a model each (default: 2)")
    parser.add_argument("--port", type=positive_int, default=7860, help="port of the proxy (default: 7860)")
    parser.add_argument("--api-keys", metavar="FILE", help="ask for a key of this file, which omniloom keys makes")
    parser.add_argument("--address", help="a Ray cluster that runs; without it one is started here")
    options = parser.parse_args()
    checkpoint = options.checkpoint if options.checkpoint == "tiny" else str(Path(options.checkpoint).resolve())

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if options.address:
        ray.init(address=options.address)
    else:
        ray.init(num_cpus=options.replicas + 1, include_dashboard=False, configure_logging=False)
    start(checkpoint, replicas=options.replicas, port=options.port, api_keys=options.api_keys)
    print(
        f"{options.replicas} replicas serve {checkpoint} at http://127.0.0.1:{options.port}; stop with Ctrl-C",
        flush=True,
    )

    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    stopped.wait()
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    main()
