"""Ports for nodes under test that nobody else takes while a node is down between two starts.

Below the range from which the kernel takes ports for outgoing connections and for port 0, and held
through locks of files against other tests that run at the same time."""
import fcntl
import itertools
import os
import random
import socket
import sys
import tempfile
from pathlib import Path

RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
LOCKS = Path(tempfile.gettempdir()) / f"troupe-test-ports-{os.getuid()}"
held = []  # the locks, until this process ends


def candidates():
    end = int(RANGE.read_text().split()[0])
    ports = list(range(max(1024, end - 16384), end))
    random.shuffle(ports)
    return ports


def lock(port):
    file = open(LOCKS / str(port), "wb")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return False
    held.append(file)
    return True


def is_free(port):
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def reserve(count):
    """So many ports of 127.0.0.1; this process has them until it ends."""
    LOCKS.mkdir(exist_ok=True)
    # Two below a node may listen too, for old clients of RocketMQ.
    free = (p for p in candidates() if lock(p) and lock(p - 2) and is_free(p) and is_free(p - 2))
    ports = list(itertools.islice(free, count))
    if len(ports) < count:
        raise OSError(f"{RANGE} leaves no {count} free ports below its range")
    return ports


if __name__ == "__main__":
    print(*reserve(int(sys.argv[1])))
