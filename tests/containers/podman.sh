#!/usr/bin/env bash
# Runs podman with everything it keeps below one folder, without a network.
# usage: unshare --mount --pid --fork --kill-child tests/containers/podman.sh FOLDER ARGUMENTS...
set -euo pipefail

folder=$1
shift
mkdir -p "$folder/store"

# What it wants to have for itself; nothing of this is seen outside.
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
# crun takes a half empty second hierarchy for all there is.
if mountpoint -q /sys/fs/cgroup/unified; then umount -l /sys/fs/cgroup/unified; fi

cat > "$folder/containers.conf" << END
[engine]
runtime = "crun"
cgroup_manager = "cgroupfs"
events_logger = "file"
END
cat > "$folder/storage.conf" << END
[storage]
driver = "vfs"
runroot = "/run/podman"
graphroot = "$folder/store"
END
export CONTAINERS_CONF="$folder/containers.conf" CONTAINERS_STORAGE_CONF="$folder/storage.conf"

# Not in its place: the containers' keepers end with the first process here.
podman "$@"
