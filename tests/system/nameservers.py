"""Real name servers on loopback: bind9 with a zone of many names, and a tree of
NSDs, a root, a top-level domain and the zones below it, to be walked down."""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

START_SECONDS = 30
STOP_SECONDS = 20
TTL = 600
# Referrals name no port, so the servers of a tree must have this one.
DNS_PORT = 53
ADDRESS_OF_NAMES = "127.0.0.1"

NAMED = """
options {{
  directory "{folder}";
  pid-file none;
  session-keyfile none;
  managed-keys-directory "{folder}";
  listen-on port {port} {{ 127.0.0.1; }};
  listen-on-v6 {{ none; }};
  recursion yes;
  dnssec-validation no;
  empty-zones-enable no;
  notify no;
  forwarders {{ }};
}};
controls {{ }};
zone "{zone}" {{ type primary; file "zone"; }};
"""

NSD = """
server:
  username: ""
  ip-address: {address}@{port}
  server-count: 1
  zonesdir: "{folder}"
  database: ""
  pidfile: ""
  xfrdfile: ""
  zonelistfile: "{folder}/zones.list"
  xfrdir: "{folder}"
  hide-version: yes
  rrl-ratelimit: 0
remote-control:
  control-enable: no
"""

START_OF_AUTHORITY = """\
$ORIGIN {origin}
$TTL {ttl}
@ SOA a.root. a.root. 1 3600 600 86400 {ttl}
"""


def can_serve_port_53():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.83.0.1", DNS_PORT))
        except OSError:
            return False
    return True


def free_port():
    """Free for UDP and, most probably, for TCP as well."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def soa_query(zone):
    labels = [label for label in zone.strip(".").split(".") if label]
    name = b"".join(bytes([len(label)]) + label.encode() for label in labels) + b"\0"
    return struct.pack(">6H", 77, 0, 1, 0, 0, 0) + name + struct.pack(">2H", 6, 1)


class Server:
    """One process; `answers` for `zone` once it has begun."""

    def __init__(self, command, address, port, zone, log):
        self.log = log
        with open(log, "wb") as out:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )
        deadline = time.monotonic() + START_SECONDS
        while not self.answers(address, port, zone):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise AssertionError(f"{command[0]}: {log.read_text()[-2000:]}")

    def answers(self, address, port, zone):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(0.1)
            with contextlib.suppress(OSError):
                client.connect((address, port))
                client.send(soa_query(zone))
                reply = client.recv(4096)
                return reply[3] & 15 == 0 and reply[7] > 0
        time.sleep(0.05)
        return False

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Servers:
    """Some of them, with their files; a context."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cah-dns-"))
        self.started = []

    def __enter__(self):
        try:
            self.begin()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for server in self.started:
            server.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def subfolder(self, name):
        folder = self.folder / name
        folder.mkdir()
        return folder


class Bind(Servers):
    """bind9 for `count` names n0.ZONE, n1.ZONE, ...; and whatever `more` lines
    say, in the words of zone files."""

    def __init__(self, count, zone="images.example", more=""):
        super().__init__()
        self.names = [f"n{i}.{zone}" for i in range(count)]
        self.port = free_port()
        self.upstream = f"127.0.0.1@{self.port}"
        self.zone = zone
        self.more = more

    def begin(self):
        lines = [START_OF_AUTHORITY.format(origin=f"{self.zone}.", ttl=TTL)]
        lines += ["@ NS ns\n", f"ns A {ADDRESS_OF_NAMES}\n"]
        lines += [f"n{i} A {ADDRESS_OF_NAMES}\n" for i in range(len(self.names))]
        (self.folder / "zone").write_text("".join(lines) + self.more)
        config = self.folder / "named.conf"
        config.write_text(
            NAMED.format(folder=self.folder, port=self.port, zone=self.zone)
        )
        command = ["/usr/sbin/named", "-g", "-4", "-n", "2", "-c", str(config)]
        self.started.append(
            Server(command, "127.0.0.1", self.port, self.zone, self.folder / "log")
        )


class Tree(Servers):
    """A root, the domain example below it, `zones` zones below that, `each` names in
    each; two servers share the zones. `root_hints` is a file for resolvers."""

    def __init__(self, zones, each):
        super().__init__()
        # Runs beside each other must not meet.
        net = f"127.{64 + os.getpid() // 250 % 190}.{os.getpid() % 250}"
        self.root, self.top, *self.leaves = [f"{net}.{i}" for i in range(1, 5)]
        self.zones = [f"z{i}.example" for i in range(zones)]
        self.each = each
        self.names = [f"n{i}.{zone}" for i in range(each) for zone in self.zones]
        self.root_hints = self.folder / "root.hints"
        self.root_hints.write_text(
            f". 3600000 NS a.root.\na.root. 3600000 A {self.root}\n"
        )

    def begin(self):
        self.serve(
            self.root,
            {
                ".": "@ NS a.root.\n"
                + f"a.root. A {self.root}\nexample. NS ns.example.\nns.example. A {self.top}\n"
            },
        )
        self.serve(self.top, {"example.": self.delegations()})
        body = f"@ NS ns1\n@ NS ns2\nns1 A {self.leaves[0]}\nns2 A {self.leaves[1]}\n"
        body += "".join(f"n{i} A {ADDRESS_OF_NAMES}\n" for i in range(self.each))
        for leaf in self.leaves:
            self.serve(leaf, {f"{zone}.": body for zone in self.zones})

    def delegations(self):
        lines = [f"@ NS ns\nns A {self.top}\n"]
        for zone in self.zones:
            label = zone.partition(".")[0]
            for i, leaf in enumerate(self.leaves):
                lines.append(f"{label} NS ns{i + 1}.{label}\n")
                lines.append(f"ns{i + 1}.{label} A {leaf}\n")
        return "".join(lines)

    def serve(self, address, zones):
        folder = self.subfolder(address)
        config = NSD.format(address=address, port=DNS_PORT, folder=folder)
        for i, (zone, body) in enumerate(zones.items()):
            head = START_OF_AUTHORITY.format(origin=zone, ttl=TTL)
            (folder / f"zone{i}").write_text(head + body)
            config += f'zone:\n  name: "{zone}"\n  zonefile: "zone{i}"\n'
        path = folder / "nsd.conf"
        path.write_text(config)
        command = ["/usr/sbin/nsd", "-d", "-c", str(path)]
        self.started.append(
            Server(command, address, DNS_PORT, next(iter(zones)), folder / "log")
        )
