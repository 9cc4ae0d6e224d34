#!/usr/bin/env python3
"""Starts waybill for the fan-out kit: `start.py PORT`, in the foreground, with a database of its
own under `run/` (or `WAYBILL_BENCH_DATABASE`), users, orders to listen to, and tokens. Prints `ready` when all of it is there.
With several ports, as many instances, on the PostgreSQL and the Redis of `tests/services`."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
BINARY = HERE.parent / "target" / "release" / "waybill"
RUN = HERE / "run"
ORDERS = 2000
ADMINS = 8
PASSWORD = "a password for benchmarks"
SERVICE_KEY = "bench:bench-service-key-0123456789abcdef"


def environment(port, is_one_of_many=False):
    secret = "0123456789abcdef" * 2 + "waybill-benchmarks"
    database = os.environ.get("WAYBILL_BENCH_DATABASE", f"sqlite://{RUN}/waybill.db")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("WAYBILL_")}
    if is_one_of_many:
        database = os.environ["WAYBILL_TEST_POSTGRES"]
        inherited["REDIS_URL"] = os.environ["WAYBILL_TEST_REDIS"]
    return dict(
        inherited,
        DATABASE_URL=database,
        WAYBILL_LISTEN=f"127.0.0.1:{port}",
        WAYBILL_JWT_SECRET=secret,
        WAYBILL_RATE_LIMITS="off",
        WAYBILL_SERVICE_KEYS=SERVICE_KEY,
        WAYBILL_SESSIONS_PER_USER="100000",
        WAYBILL_ORDERS_IN_HAND="1000",
        WAYBILL_FRAMES_PER_SECOND="10000",
        WAYBILL_SUBSCRIPTIONS_PER_SESSION="1000",
        WAYBILL_ACCESS_LIFETIME_SECS="86400",
        RUST_LOG=os.environ.get("RUST_LOG", "warn"),
    )


def waybill(env, *args, text=None):
    done = subprocess.run([BINARY, *args], env=env, input=text, text=True, capture_output=True)
    if done.returncode != 0:
        sys.exit(f"waybill {' '.join(args)}: {done.stderr}")
    return done.stdout.strip()


def call(connection, method, path, body, token):
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    connection.request(method, path, json.dumps(body), headers)
    answer = connection.getresponse()
    text = answer.read()
    if answer.status >= 300:
        sys.exit(f"{method} {path}: {answer.status} {text[:500]!r}")
    return json.loads(text)


def place_orders(port, token):
    place = {"latitude": 52.5, "longitude": 13.4, "address": "Here 1"}
    order = {"pickup": place, "dropoff": place, "items": [{"name": "soup", "quantity": 1, "unit_price": 450}]}
    connection = http.client.HTTPConnection("127.0.0.1", port)
    return [call(connection, "POST", "/api/v1/orders", order, token)["id"] for _ in range(ORDERS)]


def cpu_seconds(pid):
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def served(*ports):
    """Servers on an empty database; they are ended with the block. Gives the first."""
    shutil.rmtree(RUN, ignore_errors=True)
    RUN.mkdir(parents=True)
    servers = []
    try:
        for port in ports:
            servers.append(subprocess.Popen([BINARY, "serve"], env=environment(port, len(ports) > 1), stdout=subprocess.PIPE, text=True))
            if "listening" not in servers[-1].stdout.readline():
                sys.exit(servers[-1].wait() or 1)
        yield servers[0]
    finally:
        for server in servers:
            server.terminate()
            server.wait()


def main():
    ports = [int(port) for port in sys.argv[1:]]
    port = ports[0]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    env = environment(port, len(ports) > 1)
    with served(*ports) as server:
        for role, name in [("customer", "customer"), *(("admin", f"admin{i}") for i in range(ADMINS))]:
            email = f"{name}@bench.example"
            waybill(env, "user", "add", "--email", email, "--name", name, "--role", role, "--password-stdin", text=PASSWORD)
        customer = waybill(env, "token", "--email", "customer@bench.example")
        admins = [waybill(env, "token", "--email", f"admin{i}@bench.example") for i in range(ADMINS)]
        (RUN / "ids.txt").write_text("\n".join(place_orders(port, customer)) + "\n")
        (RUN / "tokens.txt").write_text("\n".join(admins[i % ADMINS] for i in range(20_000)) + "\n")
        print("ready", flush=True)
        sys.exit(server.wait())


if __name__ == "__main__":
    main()
