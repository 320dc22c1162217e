"""Programs run and measured: wall time, processor time and peak memory of each."""
import dataclasses
import json
import os
import pathlib
import subprocess
import time

from .servers import Failed

PEERS = pathlib.Path(__file__).parent.parent / "peers"


def environment(folder):
    """The environment without anything that would choose a server, and with no contexts of the user's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NATS_")}
    return kept | {"XDG_CONFIG_HOME": str(folder)}


@dataclasses.dataclass
class Run:
    """What one run took."""
    seconds: float
    processor: float
    peak: int
    output: str

    @property
    def document(self):
        return json.loads(self.output.strip().splitlines()[-1])


def run(command, folder, accepted=(0,)):
    """Runs a program to its end; what it writes to standard output is kept."""
    log, output = pathlib.Path(folder, "errors"), pathlib.Path(folder, "output")
    # Files and not pipes: this process must not be woken while another one is measured.
    with open(log, "wb") as errors, open(output, "wb") as out:
        started = time.monotonic()
        process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=out,
                                   stderr=errors, cwd=folder, env=environment(folder))
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in accepted:
        raise Failed(f"{' '.join(map(str, command))} ended with {process.returncode}:\n"
                     + log.read_text() + output.read_text())
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, output.read_text())


def cistern(*arguments):
    return [os.environ["CISTERN_BINARY"], *arguments]


class Peers:
    """The programs that Cistern is measured against, made from their sources."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        for name in ("fill", "sink"):
            subprocess.run(["cc", "-O2", "-o", pathlib.Path(folder, name), PEERS / f"{name}.c"], check=True)

    def fill(self, server, bucket, entries, size, keys, *more):
        return run([self.folder / "fill", server.port, bucket, entries, size, keys, *more], self.folder).document

    def sink(self, server, bucket):
        return run([self.folder / "sink", server.port, bucket, server.entries(bucket)], self.folder).document

    def server(self, verb, server, bucket, file):
        return run([os.environ["BENCH_PYTHON"], PEERS / "server_backup.py", server.url, verb, f"KV_{bucket}", file],
                   self.folder).document


def processor_seconds(pid):
    """What a process has used of the processors so far."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
