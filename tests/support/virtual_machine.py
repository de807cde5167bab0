"""A virtual machine: QEMU with a copy-on-write view of a disk, its console in a file, its ports on this machine's loopback only."""

from __future__ import annotations

import base64
import http.client
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tools import qemu

# Vagrant's own, which everyone knows (https://github.com/hashicorp/vagrant/tree/main/keys), without its first and last line:
# whoever looks for private keys that were given away by mistake looks for those.
KEY = Path(__file__).with_name("vagrant_insecure_key.base64")
KIND = "PRIVATE KEY"


@dataclass
class Machine:
    """A machine that runs: its ports on 127.0.0.1, what it says on its console, and who may log in."""

    process: subprocess.Popen[bytes]
    folder: Path
    web: int
    ssh: int

    @property
    def console(self) -> str:
        """All that it has said."""
        return (self.folder / "console").read_text(errors="replace")

    def processor_seconds(self) -> float:
        """How long it has kept this machine's processors busy."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body of an answer; 0 where nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.web, timeout=20)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            connection.close()

    def wait_for(self, path: str, seconds: float) -> float:
        """Wait for a good answer; how many seconds that took."""
        began = time.monotonic()
        while (status := self.get(path)[0]) != http.client.OK:
            assert self.process.poll() is None, f"QEMU has ended:\n{self._end()}"
            assert time.monotonic() - began < seconds, f"no good answer in {seconds:.0f} s, the last was {status}:\n{self._end()}"
            time.sleep(0.5)
        return time.monotonic() - began

    def run(self, command: str, given: bytes = b"") -> str:
        """What a command prints, run by Vagrant's user with the key that Vagrant logs in with at first."""
        options = ["BatchMode=yes", "StrictHostKeyChecking=no", f"UserKnownHostsFile={os.devnull}", "LogLevel=ERROR", "ConnectTimeout=30"]
        # One connection for all commands: an emulated processor takes seconds to agree on keys.
        options += ["ControlMaster=auto", f"ControlPath={self.folder / 'ssh'}", "ControlPersist=yes"]
        words = [word for option in options for word in ("-o", option)]
        login = ["ssh", "-i", str(self.folder / "key"), "-p", str(self.ssh), *words, "vagrant@127.0.0.1", command]
        done = subprocess.run(login, input=given, capture_output=True, timeout=120, check=False)
        assert done.returncode == 0, f"{command}: {done.stderr.decode()}{done.stdout.decode()}"
        return done.stdout.decode()

    def _end(self) -> str:
        return "\n".join(self.console.splitlines()[-40:])


@contextmanager
def running(disk: Path, folder: Path, files: Sequence[str] = (), memory: int = 2048) -> Iterator[Machine]:
    """A machine of a disk, which stays as it is, and of empty files that it finds when it boots; gone when the block is left."""
    web, ssh = _free_ports(2)
    key = folder / "key"
    key.touch(0o600)
    key.write_text(f"-----BEGIN RSA {KIND}-----\n{KEY.read_text()}-----END RSA {KIND}-----\n")
    process = subprocess.Popen(_command(disk, folder, web, ssh, memory, files), stdin=subprocess.DEVNULL)
    machine = Machine(process, folder, web, ssh)
    try:
        yield machine
    finally:
        process.kill()
        process.wait()


def _command(disk: Path, folder: Path, web: int, ssh: int, memory: int, files: Sequence[str]) -> Sequence[str]:
    forwards = f"hostfwd=tcp:127.0.0.1:{web}-:80,hostfwd=tcp:127.0.0.1:{ssh}-:22"
    # Emulated, a plain processor is the quickest: for a richer one the kernel loads and tries out what only hardware is good at.
    processor = ("-accel", "kvm", "-cpu", "host") if qemu.virtualizes() else ("-accel", "tcg,thread=multi", "-cpu", "qemu64")
    # As https://www.freedesktop.org/software/systemd/man/252/systemd-tmpfiles.html takes them from the firmware.
    given = base64.b64encode("".join(f"f {path} 0644 root root -\n" for path in files).encode()).decode()
    return (
        # Whatever else is tested meanwhile goes first.
        *("nice", "-n", "10"),
        *("qemu-system-x86_64", *processor, "-smp", "2", "-m", str(memory), "-no-reboot"),
        *("-display", "none", "-monitor", "none", "-serial", f"file:{folder / 'console'}"),
        *("-drive", f"file={disk},if=virtio,format=qcow2,snapshot=on,cache=unsafe,aio=threads"),
        *("-netdev", f"user,id=net,{forwards}", "-device", "virtio-net-pci,netdev=net", "-device", "virtio-rng-pci"),
        *(("-smbios", f"type=11,value=io.systemd.credential.binary:tmpfiles.extra={given}") if files else ()),
    )


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _port in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()
