#!/usr/bin/env python3
"""What it costs that records carry something of their own: CPU seconds of `run --once` for a million lines.

usage: benches/records.py [LINES [ROUNDS]]        (1,000,000 lines of 200 bytes, 5 rounds in turns)
Needs target/release/tailspool, the jars that `make test` fetches (target/kafka/lib) and java."""
import os, resource, shutil, statistics, subprocess, sys, tempfile, time

from broker import QUIET, TAILSPOOL, start_kafka

LINES = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 5
DIR = tempfile.mkdtemp(prefix="tailspool-records-bench-")
PORT = 29594
# What is shipped, and the keys of its input.
VARIANTS = {
    "nothing": ("app.log", ""),
    "a key": ("app.log", "key: '{file.name}'"),
    "record_id: key": ("app.log", "record_id: key"),
    "a header": ("app.log", "headers: {env: prod}"),
    "record_id: headers": ("app.log", "record_id: headers"),
    "a container's time": ("pod.log", "format: cri"),
}


def write_logs():
    text = "request served cache upstream timeout user session order payment retry worker queue flush " * 2
    with open(f"{DIR}/app.log", "w") as app, open(f"{DIR}/pod.log", "w") as pod:
        for i in range(LINES):
            line = f"{i:010d} {text[i % 80:][:146]}\n"
            app.write("app " + "x" * 37 + " " + line)
            # The same length in the file; what is shipped is shorter.
            pod.write("2026-11-21T09:00:00.%09dZ stdout F app " % (i % 1000000000) + line)


def ship(log, keys):
    shutil.rmtree(f"{DIR}/state", ignore_errors=True)
    with open(f"{DIR}/tailspool.yaml", "w") as out:
        out.write(f"""state_dir: {DIR}/state
kafka:
  bootstrap.servers: [127.0.0.1:{PORT}, 127.0.0.1:{PORT}]
  allow.auto.create.topics: true
  compression.type: none
inputs:
  - id: app
    paths: [{DIR}/{log}]
    topic: records
    {keys}
""")
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.time()
    subprocess.run([TAILSPOOL, "run", "--once", "--config", f"{DIR}/tailspool.yaml"], check=True, **QUIET)
    took, after = time.time() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, took


def main():
    write_logs()
    kafka = start_kafka(f"{DIR}/kafka", PORT, "log.retention.bytes=200000000")
    try:
        ship(*VARIANTS["nothing"])
        laps = {name: [] for name in VARIANTS}
        for _ in range(ROUNDS):
            for name, variant in VARIANTS.items():
                laps[name].append(ship(*variant))
        base = statistics.median(cpu for cpu, _ in laps["nothing"])
        for name, found in laps.items():
            cpu = statistics.median(cpu for cpu, _ in found)
            took = statistics.median(took for _, took in found)
            print(f"{name:20} CPU {cpu / LINES * 1e6:5.2f} s/M lines  {cpu / base:4.2f}  {LINES / took:9.0f} lines/s")
    finally:
        kafka.kill()
    shutil.rmtree(DIR)


main()
