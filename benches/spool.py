#!/usr/bin/env python3
"""Fills the spool while there is no Kafka, kills the daemon, opens the spool again, and drains it.

usage: benches/spool.py [LINES]        (10,000,000 lines of 200 bytes: 2 GB)
Needs target/release/tailspool, the jars that `make test` fetches (target/kafka/lib), java and kcat.
Prints seconds, CPU seconds of the daemon, bytes on disk and peak memory of each part."""
import os, random, shutil, signal, subprocess, sys, tempfile, time

from broker import TAILSPOOL, start_kafka

LINES = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
DIR = tempfile.mkdtemp(prefix="tailspool-spool-bench-")
PORT = 29592
TICKS = os.sysconf("SC_CLK_TCK")


def write_log(path):
    rnd = random.Random(7)
    words = "request served cache upstream timeout user session order payment retry worker queue flush index shard".split()
    pool = []
    for _ in range(4096):
        text = ""
        while len(text) < 150:
            text += rnd.choice(words) + ("=%d " % rnd.randrange(10 ** rnd.randrange(1, 9)) if rnd.random() < 0.4 else " ")
        pool.append(text[:150])
    with open(path, "w", buffering=1 << 20) as log:
        for i in range(LINES):
            log.write("2026-11-21T%02d:%02d:%02d.%03dZ app %010d INFO %s\n" % (i // 3600000 % 24, i // 60000 % 60, i // 1000 % 60, i % 1000, i, pool[i * 7919 & 4095]))


def start_daemon():
    log = open(f"{DIR}/daemon.log", "a")
    return subprocess.Popen([TAILSPOOL, "run", "--config", f"{DIR}/tailspool.yaml"], stderr=log)


def cpu(process):
    fields = open(f"/proc/{process.pid}/stat").read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def peak_mib(process):
    return next(int(line.split()[1]) // 1024 for line in open(f"/proc/{process.pid}/status") if line.startswith("VmHWM"))


def disk_mib():
    return sum(os.path.getsize(f"{at}/{name}") for at, _, names in os.walk(f"{DIR}/state/spool") for name in names) >> 20


def spooled():
    out = subprocess.run([TAILSPOOL, "spool", "ls", "--config", f"{DIR}/tailspool.yaml"], capture_output=True, text=True).stdout
    return int(out.splitlines()[-1].split(" lanes, ")[1].split()[0]) if " lanes, " in out else 0


def wait(condition, seconds):
    end = time.time() + seconds
    while not condition():
        if time.time() > end:
            sys.exit(f"waited too long; see {DIR}")
        time.sleep(0.2)


def delivered():
    ask = ["kcat", "-Q", "-b", f"127.0.0.1:{PORT}", "-t", "spooled:0:-1"]
    out = subprocess.run(ask, capture_output=True, text=True).stdout
    return int(out.rsplit("offset ", 1)[1]) if "offset " in out else 0


def main():
    write_log(f"{DIR}/app.log")
    size = os.path.getsize(f"{DIR}/app.log")
    with open(f"{DIR}/tailspool.yaml", "w") as out:
        out.write(f"""state_dir: {DIR}/state
kafka:
  bootstrap.servers: [127.0.0.1:{PORT}, 127.0.0.1:{PORT}]
  allow.auto.create.topics: true
  request.timeout.ms: 1s
  delivery.timeout.ms: 1500ms
inputs:
  - {{id: app, paths: [{DIR}/app.log], topic: spooled}}
""")
    print(f"{LINES} lines, {size >> 20} MiB")
    daemon, began = start_daemon(), time.time()
    wait(lambda: disk_mib() > size >> 24 and spooled() >= LINES, 600)
    took = time.time() - began
    print(f"fill   {took:6.1f} s  CPU {cpu(daemon):5.1f} s  {cpu(daemon) / LINES * 1e6:.2f} s/M lines  "
          f"disk {disk_mib()} MiB  peak {peak_mib(daemon)} MiB")
    daemon.kill()
    daemon.wait()
    open(f"{DIR}/daemon.log", "w").close()
    daemon, began = start_daemon(), time.time()
    wait(lambda: "running" in open(f"{DIR}/daemon.log").read(), 120)
    print(f"open   {time.time() - began:6.1f} s  after kill -9")
    kafka = start_kafka(f"{DIR}/kafka", PORT)
    try:
        wait(lambda: delivered() > 0, 120)
        began, cpu_before = time.time(), cpu(daemon)
        wait(lambda: delivered() >= LINES and spooled() == 0, 600)
        took, used = time.time() - began, cpu(daemon) - cpu_before
        print(f"drain  {took:6.1f} s  CPU {used:5.1f} s  {used / LINES * 1e6:.2f} s/M lines  {LINES / took:.0f} lines/s  "
              f"arrived {delivered()}  peak {peak_mib(daemon)} MiB  disk {disk_mib()} MiB")
        daemon.send_signal(signal.SIGTERM)
        daemon.wait()
        print(f"closed          disk {disk_mib()} MiB")
    finally:
        daemon.kill()
        kafka.kill()
    shutil.rmtree(DIR)


main()
