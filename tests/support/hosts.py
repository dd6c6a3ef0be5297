"""Hosts on one machine that share nothing but a network: namespaces of Linux.

Each has its own addresses, process table, /tmp and /dev/shm, and sees the rest of the file system
read-only.  The switch between them is in a namespace too (`move_in`), so the machine's network is
not touched, and all of it ends with the process that made it, however that ends.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.waiting import wait_until

NETWORK = "10.77.0"
MIDDLE = f"{NETWORK}.1"  # the address of the process that makes the hosts
SWITCH = "switch"
PROGRAMS = ("ip", "mount", "nsenter", "unshare")
ALONE = ["unshare", "--net", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc"]
SET_UP = """
set -e
hostname {name}
cat > /tmp/hosts
mount --bind /tmp/hosts /etc/hosts
mount --bind /dev/null /etc/resolv.conf
mount -o remount,bind,ro /
mount -t tmpfs -o size={room} none /tmp
mount -t tmpfs -o size=1g none /dev/shm
echo ready
exec sleep infinity
"""


def why_not() -> str | None:
    """Say in a sentence why there can be no hosts here; None if there can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "only root of a Linux machine can make hosts"
    if missing := [program for program in PROGRAMS if shutil.which(program) is None]:
        return f"hosts need {', '.join(missing)}: install iproute2 and util-linux"
    probe = "ip link add name probe type bridge && mount -t tmpfs none /mnt"
    tried = subprocess.run([*ALONE, "sh", "-c", probe], capture_output=True, text=True, timeout=30)
    if tried.returncode:
        return f"this machine permits no namespaces: {tried.stderr.strip()}"
    return None


def move_in(module: str, *words: str) -> None:
    """Run `module` from its beginning, in namespaces of its own with a switch in them.

    Returns in the process that runs there, which is the first one of its process table.
    """
    if os.getpid() == 1:
        ip("link", "set", "lo", "up")
        ip("link", "add", "name", SWITCH, "type", "bridge")
        ip("addr", "add", f"{MIDDLE}/24", "dev", SWITCH)
        ip("link", "set", SWITCH, "up")
        return
    os.execvp(ALONE[0], [*ALONE, sys.executable, "-m", module, *words])


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, timeout=30)


class Host:
    """A machine, on until `lose`."""

    def __init__(self, name: str, number: int, room: str, *, addresses: dict[str, str]) -> None:
        self.name, self.address = name, addresses[name]
        self.port = f"port{number}"  # of the switch
        set_up = SET_UP.format(name=name, room=room)
        self.holder = subprocess.Popen(
            [*ALONE, "sh", "-c", set_up],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.holder.stdin and self.holder.stdout
        names = {"localhost": "127.0.0.1"} | addresses
        self.holder.stdin.writelines(f"{where} {who}\n" for who, where in names.items())
        self.holder.stdin.close()
        assert self.holder.stdout.readline() == "ready\n", "the host could not be set up"
        children = f"/proc/{self.holder.pid}/task/{self.holder.pid}/children"
        self.first = Path(children).read_text().split()[0]  # of its processes
        ip("link", "add", self.port, "type", "veth", "peer", "name", "eth0", "netns", self.first)
        self.run("ip", "addr", "add", f"{self.address}/24", "dev", "eth0")
        self.run("ip", "link", "set", "lo", "up")
        self.run("ip", "link", "set", "eth0", "up")
        ip("link", "set", self.port, "up")
        self.join()

    def join(self) -> None:
        ip("link", "set", self.port, "master", SWITCH)

    def cut(self) -> None:
        """Pull its cable out of the switch: nobody hears of it, nothing is answered."""
        ip("link", "set", self.port, "nomaster")

    def lose(self) -> None:
        """Pull all its plugs: nobody hears of it, and all that runs there ends at once."""
        if self.holder.poll() is None:
            self.cut()
            os.kill(int(self.first), 9)
            self.holder.wait(timeout=30)

    def command(self, *words: str) -> list[str]:
        """Return the command that runs these words on the host, in the folder of this process."""
        spaces = ["--net", "--mount", "--uts", "--pid"]
        return ["nsenter", "--target", self.first, *spaces, f"--wd={Path.cwd()}", "--", *words]

    def run(self, *words: str) -> str:
        done = subprocess.run(
            self.command(*words), check=True, stdout=subprocess.PIPE, text=True, timeout=120
        )
        return done.stdout


@contextmanager
def hosts(*names: str, room: str) -> Iterator[dict[str, Host]]:
    """Make hosts by name; `room` is the size of the /tmp of each."""
    addresses = {name: f"{NETWORK}.{10 + i}" for i, name in enumerate(names)}
    made: dict[str, Host] = {}
    try:
        for number, name in enumerate(names):
            made[name] = Host(name, number, room, addresses=addresses)
        yield made
    finally:
        for host in made.values():
            host.lose()
        wait_until(lambda: all(host.holder.poll() is not None for host in made.values()))
