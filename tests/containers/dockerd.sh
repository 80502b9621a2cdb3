#!/usr/bin/env bash
# A docker daemon of our own, without a network, below one folder; it ends with this script.
# usage: unshare --mount --pid --fork --kill-child tests/containers/dockerd.sh FOLDER
# Its socket is FOLDER/docker.sock, its containers' logs are FOLDER/data/containers/ID/ID-json.log.
set -euo pipefail

folder=$1
mkdir -p "$folder/data"
echo '{}' > "$folder/daemon.json" # not the machine's own

# What it wants to have for itself; nothing of this is seen outside.
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
# runc takes a half empty second hierarchy for all there is.
if mountpoint -q /sys/fs/cgroup/unified; then umount -l /sys/fs/cgroup/unified; fi

exec dockerd --host "unix://$folder/docker.sock" --data-root "$folder/data" --exec-root /run/docker \
  --pidfile /run/docker.pid --config-file "$folder/daemon.json" --storage-driver vfs \
  --bridge none --iptables=false --ip6tables=false --userland-proxy=false --log-level error
