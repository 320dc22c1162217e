"""The measurements, in groups that share their data; each adds its rows to the bench."""
import json
import pathlib
import shutil
import signal
import subprocess
import time

from .link import Link
from .processes import cistern, environment, processor_seconds, run
from .report import Row
from .servers import wait_for

SMALL, LARGE = 256, 16 << 10
# What became of the bucket of small entries that others read as well.
SOURCE = "source"


def fill_small(bench, server, bucket, entries=None):
    entries = entries or bench.options.entries
    return bench.peers.fill(server, bucket, entries, SMALL, max(1, entries // 5))


def fill_large(bench, server, bucket):
    return bench.peers.fill(server, bucket, bench.options.large, LARGE, max(1, bench.options.large // 5))


def source(bench):
    """The server that holds the bucket of small entries, made when it is first asked for."""
    if bench.source is None:
        bench.source = bench.server("source")
        bench.source.create(SOURCE)
        bench.say(f"filling a bucket with {bench.options.entries:,} entries")
        fill_small(bench, bench.source, SOURCE)
    return bench.source


def backup(bench, server, bucket, archive, *more):
    return run(cistern("backup", bucket, "--archive", archive, "-s", server.url, *more), bench.folder)


def fresh(path):
    for file in path.parent.glob(path.name + "*"):
        file.unlink()
    return path


def archive_of_source(bench):
    """An archive of the small entries."""
    path = bench.folder / "source.cistern"
    if not path.exists():
        backup(bench, source(bench), SOURCE, path)
    return path


def capture(bench):
    small = source(bench)
    large = bench.server("large")
    large.create("large")
    fill_large(bench, large, "large")
    for label, server, bucket in (("256 B", small, SOURCE), ("16 KiB", large, "large")):
        is_small = server is small
        wall = bench.row(Row(f"full capture, wall time, {label}", "the server's own backup", most=1.6))
        rate = bench.row(Row(f"full capture, entries per second, {label}", "`sink`", least=0.8))
        size = bench.row(Row(f"archive bytes, {label}", "the server's backup file", most=0.75 if is_small else None))
        archive, file = bench.folder / f"{bucket}.cistern", bench.folder / f"{bucket}.snapshot"
        for number in range(bench.options.rounds):
            bench.say(f"capture, {label}, round {number + 1}")
            entries = server.entries(bucket)
            sink = bench.peers.sink(server, bucket)
            theirs = bench.peers.server("backup", server, bucket, file)
            ours = bench.peak(f"capture, {label}", backup(bench, server, bucket, fresh(archive)))
            wall.add(ours.seconds, theirs["seconds"])
            rate.add(entries / ours.seconds, sink["entries_per_second"])
            size.add(archive.stat().st_size, theirs["bytes"])
    large.stop()
    changes(bench)


def changes(bench):
    """What a backup costs when little has changed."""
    server, archive = source(bench), archive_of_source(bench)
    row = bench.row(Row("capture of 1,000 changes", "a full server backup", most=0.1))
    for number in range(bench.options.rounds):
        bench.say(f"1,000 changes, round {number + 1}")
        theirs = bench.peers.server("backup", server, SOURCE, bench.folder / "source.snapshot")
        bench.peers.fill(server, SOURCE, 1000, SMALL, bench.options.entries // 5, 4096, 0, 1000 + number)
        ours = bench.peak("capture of changes", backup(bench, server, SOURCE, archive))
        row.add(ours.seconds, theirs["seconds"])


def restore(bench, server, archive, name, *more):
    return run(cistern("restore", archive, "--as", name, "-s", server.url, "--no-verify", *more), bench.folder)


def replay(bench):
    archive = archive_of_source(bench)
    entries = source(bench).entries(SOURCE)
    for storage in ("file", "memory"):
        server = bench.server(f"replay-{storage}")
        row = bench.row(Row(f"replay into {storage} storage", "`fill`", least=0.95))
        for number in range(bench.options.rounds):
            bench.say(f"replay, {storage}, round {number + 1}")
            # In memory a server takes milliseconds for each entry that drives another one out: none does.
            server.create("filled", storage, 5 if storage == "file" else 64)
            theirs = fill_small(bench, server, "filled")
            server.delete("filled")
            ours = bench.peak(f"replay, {storage}", restore(
                bench, server, archive, "replayed", "--mode", "replay", "--set", f"storage={storage}"))
            server.delete("replayed")
            row.add(entries / ours.seconds, theirs["entries_per_second"])
        server.stop()


def exact(bench):
    archive = archive_of_source(bench)
    row = bench.row(Row("exact restore, file storage", "the server's own restore", most=0.4))
    told = bench.row(Row("the same with its comparison", "the server's own restore"))
    file = bench.folder / "exact.snapshot"
    bench.peers.server("backup", source(bench), SOURCE, file)
    server = bench.server("exact")
    for number in range(bench.options.rounds):
        bench.say(f"exact restore, round {number + 1}")
        theirs = bench.peers.server("restore", server, SOURCE, file)
        server.delete(SOURCE)
        ours = bench.peak("exact restore", restore(bench, server, archive, "restored", "--mode", "exact"))
        server.delete("restored")
        verified = bench.peak("exact restore, compared", restore(
            bench, server, archive, "restored", "--mode", "exact", "--verify"))
        server.delete("restored")
        row.add(ours.seconds, theirs["seconds"])
        told.add(verified.seconds, theirs["seconds"])
    server.stop()


def copy(bench):
    server = source(bench)
    entries = server.entries(SOURCE)
    row = bench.row(Row("copy from bucket to bucket", "the slower of `sink` and `fill`", least=0.9))
    for number in range(bench.options.rounds):
        bench.say(f"copy, round {number + 1}")
        sink = bench.peers.sink(server, SOURCE)
        server.create("filled")
        fill = fill_small(bench, server, "filled")
        server.delete("filled")
        ours = bench.peak("copy", run(cistern("copy", SOURCE, "copied", "-s", server.url, "--no-verify"), bench.folder))
        server.delete("copied")
        row.add(entries / ours.seconds, min(sink["entries_per_second"], fill["entries_per_second"]))


def lag(bench):
    row = bench.row(Row("mirror lag at 1,000 writes a second, p99", "50 ms", most=50, unit="ms", form="{:.1f}"))
    program = pathlib.Path(__file__).parent.parent / "mirror-lag"
    seconds = 3 if bench.options.quick else 10
    for number in range(2 if bench.options.quick else bench.options.rounds):
        bench.say(f"mirror lag, round {number + 1}")
        command = [program, "--json", "--seconds", seconds]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True)
        row.add(json.loads(done.stdout)["p99"])


def archive(bench):
    path = archive_of_source(bench)
    verify = bench.row(Row("`verify` of the archive", "`sha256sum` of the file", most=3))
    history = bench.row(Row("`history KEY` on the archive", "`sqlite3`, start and one row", most=3))
    get = bench.row(Row("`get KEY` on the archive", "`sqlite3`, start and one row", most=3))
    for number in range(bench.options.rounds):
        bench.say(f"archive, round {number + 1}")
        theirs = run(["sha256sum", path], bench.folder)
        ours = bench.peak("verify", run(cistern("verify", path), bench.folder))
        verify.add(ours.seconds, theirs.seconds)
    for number in range(bench.options.rounds * 4):
        # The last of the keys is not in every segment.
        key = f"user.{(number * 7919) % (bench.options.entries // 5)}.profile"
        row = run(["sqlite3", path, "SELECT ordinal, hex(digest) FROM segment LIMIT 1"], bench.folder)
        history.add(bench.peak("history", run(cistern("history", path, key), bench.folder, (0, 1))).seconds, row.seconds)
        get.add(bench.peak("get", run(cistern("get", path, key), bench.folder, (0, 1))).seconds, row.seconds)


def start(bench):
    row = bench.row(Row("start: `cistern --version`", "`sqlite3 --version`", most=5))
    for _ in range(max(21, bench.options.rounds)):
        theirs = run(["sqlite3", "--version"], bench.folder)
        row.add(bench.peak("start", run(cistern("--version"), bench.folder)).seconds, theirs.seconds)


def idle(bench):
    row = bench.row(Row("following an idle bucket", "one core", most=0.5, unit="%", form="{:.2f}"))
    server = source(bench)
    path = bench.folder / "idle.cistern"
    backup(bench, server, SOURCE, path)
    log = bench.folder / "idle.log"
    seconds = 10 if bench.options.quick else 20
    with open(log, "wb") as output:
        process = subprocess.Popen(cistern("backup", SOURCE, "--archive", str(path), "-s", server.url, "--follow"),
                                   stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                   env=environment(bench.folder))
    try:
        used = wait_for("a start", lambda: processor_seconds(process.pid))
        # Until it has caught up and is at rest.
        def rests():
            nonlocal used
            before, used = used, processor_seconds(process.pid)
            time.sleep(2)
            return used == before
        wait_for("a following backup at rest", rests, 60)
        for number in range(1 if bench.options.quick else bench.options.rounds):
            bench.say(f"idle, round {number + 1}")
            before, begun = processor_seconds(process.pid), time.monotonic()
            time.sleep(seconds)
            row.add(100 * (processor_seconds(process.pid) - before) / (time.monotonic() - begun))
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def growth(bench):
    """From one size to ten times of it."""
    times = bench.row(Row("time for ten times the entries", "ten times the time", most=1.2))
    memory = bench.row(Row("memory for ten times the entries", "the same memory", most=1.2))
    entries = bench.options.entries // 10 if bench.options.quick else bench.options.entries
    server = bench.server("growth")
    server.create("one")
    server.create("ten")
    bench.say(f"growth: filling buckets with {entries:,} and {10 * entries:,} entries")
    fill_small(bench, server, "one", entries)
    fill_small(bench, server, "ten", 10 * entries)
    path = bench.folder / "growth.cistern"
    for number in range(bench.options.rounds):
        bench.say(f"growth, round {number + 1}")
        one = bench.peak("capture, growth, one", backup(bench, server, "one", fresh(path)))
        ten = bench.peak("capture, growth, ten", backup(bench, server, "ten", fresh(path)))
        ratio = server.entries("ten") / server.entries("one")
        times.add(ten.seconds, one.seconds * ratio)
        memory.add(ten.peak, one.peak)
    fresh(path)
    server.stop()
    shutil.rmtree(server.folder / "store")


def link(bench):
    """Over a link of 100 Mbit/s that holds everything back for 50 ms each way."""
    rate, delay = 100_000_000 / 8, 0.05
    entries = 40_000 if bench.options.quick else 200_000
    server = bench.server("link")
    server.create("far")
    fill_small(bench, server, "far", entries)
    path = bench.folder / "link.cistern"
    rows = {
        "capture": Row("capture over 100 Mbit/s, 50 ms each way: filled", "the link", least=0.8),
        "exact": Row("exact restore over it: filled", "the link", least=0.8),
        "replay": Row("replay over it: filled", "the link", least=0.8),
    }
    for row in rows.values():
        bench.row(row)
    for number in range(2 if bench.options.quick else bench.options.rounds):
        bench.say(f"link, round {number + 1}")
        for name, row in rows.items():
            far = Link(server.port, rate, delay)
            if name == "capture":
                ours = run(cistern("backup", "far", "--archive", fresh(path), "-s", far.url), bench.folder)
                passed = far.received
            else:
                ours = run(cistern("restore", path, "--as", "made", "-s", far.url, "--no-verify", "--mode", name),
                           bench.folder)
                passed = far.sent
                server.delete("made")
            far.close()
            bench.peak(f"{name}, link", ours)
            row.add(passed / ours.seconds, rate)
    server.stop()


def memory(bench):
    """The most that any of these took."""
    if bench.peaks:
        row = bench.row(Row("peak memory of any of these", "", most=128, unit="MiB", form="{:.0f}"))
        row.add(max(bench.peaks.values()) / (1 << 20))


ALL = {function.__name__: function for function in
       (capture, replay, exact, copy, lag, archive, start, idle, growth, link)}
