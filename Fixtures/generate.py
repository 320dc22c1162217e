#!/usr/bin/env python3
"""Writes the bucket that scripts/demo backs up, and a day's changes to it. Same seed, same files, byte for byte.

    Fixtures/generate.py [--seed N]     writes app-config.jsonl and app-config-changes.jsonl beside itself

What a company of a few services in a few regions keeps in one bucket: settings and feature flags over several
revisions each, deletes, purges, binary values, keys that are legal but odd, and a few values near 1 MiB.

Each line is one write, in order: {"key", "op": "put|delete|purge"} and, for a put, one of
    "value"      the value as text
    "base64"     the value's bytes
    "generated"  {"seed", "size", "edits"}: bytes described rather than kept here; see `expand` in scripts/load-fixture
and optionally "headers", a list of [name, value].
"""
import argparse
import base64
import json
import pathlib
import random

SERVICES = ["api-gateway", "audit", "billing", "catalog", "checkout", "fraud", "geo", "identity", "inventory", "mailer",
            "media", "notifications", "orders", "payments", "recommender", "reports", "search", "sessions", "shipping", "tax"]
REGIONS = ["eu-central-1", "eu-west-1", "us-east-1", "us-west-2", "ap-south-1"]
SETTINGS = {
    "database.pool-size": lambda r: str(r.choice([8, 16, 24, 32, 64])),
    "database.primary": lambda r: f"postgres-{r.randint(1, 9)}.internal:5432",
    "database.replicas": lambda r: json.dumps([f"postgres-{n}.internal:5432" for n in r.sample(range(10, 30), 2)]),
    "database.statement-timeout": lambda r: f"{r.choice([500, 1000, 2500, 5000])}ms",
    "http.read-timeout": lambda r: f"{r.randint(1, 30)}s",
    "http.write-timeout": lambda r: f"{r.randint(1, 60)}s",
    "http.idle-timeout": lambda r: f"{r.randint(30, 120)}s",
    "http.allowed-origins": lambda r: ",".join(f"https://{n}.example.com" for n in r.sample(["www", "shop", "m", "api"], 2)),
    "http.max-body": lambda r: f"{r.choice([1, 2, 8, 16])}MiB",
    "log.level": lambda r: r.choice(["debug", "info", "info", "info", "warning"]),
    "log.sampling": lambda r: f"{r.random():.3f}",
    "trace.endpoint": lambda r: f"http://collector-{r.randint(1, 4)}.internal:4317",
    "cache.size": lambda r: f"{r.choice([64, 128, 256, 512])}MiB",
    "cache.ttl": lambda r: f"{r.choice([30, 60, 300, 900])}s",
    "limits.requests-per-second": lambda r: str(r.randrange(50, 5000, 50)),
    "limits.burst": lambda r: str(r.randrange(10, 500, 10)),
    "queue.consumers": lambda r: str(r.randint(1, 16)),
    "queue.max-in-flight": lambda r: str(r.choice([64, 256, 1024])),
    "mail.sender": lambda r: f"no-reply+{r.randint(1, 99)}@example.com",
    "upstream.weights": lambda r: json.dumps({zone: r.randint(0, 100) for zone in "abc"}),
    "retry.policy": lambda r: json.dumps({"attempts": r.randint(1, 6), "from": "50ms", "to": "2s", "jitter": True}),
}
FLAGS = ["new-checkout", "dark-mode", "instant-refund", "passkeys", "vector-search", "gift-cards", "bulk-edit",
         "smart-retry", "regional-pricing", "audit-trail"]
AUTHORS = ["amara", "bjorn", "chen", "dilek", "elena", "farid"]
# Legal in a key, every one of them, and each has broken a tool somewhere.
ODD_KEYS = ["-", "=", "_", "/", "a/b/c", "//double//slash", "a=b=c", "-leading-dash", "trailing-dash-", "UPPER.lower.MiXeD",
            "0", "007", "1e10", "true", "null", "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p", "x" * 200, "path/to/file.tar.gz",
            "k=v/k=v.k=v", "_._"]


class Writer:
    """Lines in order, each write a fraction of a day's work."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.lines = []

    def put(self, key, **value):
        line = {"key": key, "op": "put", **value}
        if self.random.random() < 0.08:
            line["headers"] = [["Changed-By", self.random.choice(AUTHORS)],
                               ["Change-Id", f"CHG-{self.random.randrange(10_000, 99_999)}"]]
        self.lines.append(line)

    def remove(self, key, op):
        self.lines.append({"key": key, "op": op})


def settings(out):
    """Per service and region: settings, changed a few times."""
    r = out.random
    for service in SERVICES:
        for region in REGIONS:
            for name, make in SETTINGS.items():
                yield f"service.{service}.{region}.{name}", [{"value": make(r)} for _ in range(r.choice([1, 1, 2, 2, 3, 5]))]


def flags(out):
    """Feature flags as JSON, rolled out step by step."""
    r = out.random
    for flag in FLAGS:
        for service in SERVICES:
            steps = sorted(r.sample([0, 1, 5, 10, 25, 50, 75, 100], r.randint(2, 6)))
            yield f"flags.{flag}.{service}", [
                {"value": json.dumps({"enabled": step > 0, "rollout": step, "segments": r.sample(REGIONS, 2),
                                      "owner": r.choice(AUTHORS)})} for step in steps]


def odd(out):
    """Odd keys, empty values, text of many scripts."""
    r = out.random
    for key in ODD_KEYS:
        yield key, [{"value": v} for v in ["", "ö", "値", "line one\nline two\r\n", " spaces ", '{"quoted": "\\"yes\\""}'][:r.randint(1, 6)]]


def binary(out):
    """Certificates, tokens and the like: bytes of every value."""
    r = out.random
    for service in SERVICES:
        yield f"secrets.{service}.session-key", [
            {"base64": base64.b64encode(r.randbytes(32)).decode()} for _ in range(r.randint(2, 5))]
        yield f"blobs.{service}.icon", [{"base64": base64.b64encode(bytes(range(256)) + r.randbytes(300)).decode()}]


def large(out):
    """Documents near the server's limit of 1 MiB for a message, edited a little each time, and some binary bundles."""
    r = out.random
    for name, sizes in {"catalog.taxonomy": [900_000, 1_000_000, 1_048_000], "search.synonyms": [1_048_000, 1_040_000],
                        "pricing.table": [1_000_000, 1_048_000, 1_048_000, 1_048_000]}.items():
        seed = r.randrange(1 << 32)
        yield f"bundles.{name}", [{"generated": {"seed": seed, "size": size, "edits": edits}} for edits, size in enumerate(sizes)]
    for name, sizes in {"media.watermark": [60_000], "recommender.model": [35_000, 36_000]}.items():
        yield f"bundles.{name}", [{"generated": {"seed": r.randrange(1 << 32), "size": size}} for size in sizes]


def generate(seed):
    out = Writer(seed)
    r = out.random
    histories = [history for part in (settings, flags, odd, binary, large) for history in part(out)]
    # One counter changes far more often than any history keeps.
    histories.append(("deploy.last-build", [{"value": f"build-{number}"} for number in range(4100, 4196)]))
    # All histories interleave as they do in life: pick a key again and again, write its next revision.
    order = [index for index, (_, values) in enumerate(histories) for _ in values]
    r.shuffle(order)
    position = [0] * len(histories)
    for index in order:
        key, values = histories[index]
        out.put(key, **values[position[index]])
        position[index] += 1
        if not key.startswith(("flags.", "service.")):
            continue
        fate = r.random()
        if fate < 0.025:
            out.remove(key, "delete")
        elif fate < 0.035:
            out.remove(key, "purge")
    return out.lines


def changes(seed, lines):
    """A day's work on the bucket that `lines` made: about 250 writes."""
    out = Writer(seed + 1)
    r = out.random
    keys = sorted({line["key"] for line in lines if line["key"].startswith("service.")})
    for key in r.sample(keys, 200):
        out.put(key, value=SETTINGS[".".join(key.split(".")[3:])](r))
    for key in r.sample(keys, 20):
        out.remove(key, "delete")
    for number in range(1, 21):
        out.put(f"flags.summer-sale.{SERVICES[number - 1]}", value=json.dumps({"enabled": True, "rollout": 100}))
    for number in range(4196, 4205):
        out.put("deploy.last-build", value=f"build-{number}")
    out.remove("bundles.media.watermark", "purge")
    out.put("bundles.search.synonyms", generated={"seed": 7, "size": 1_048_000, "edits": 1})
    return out.lines


def write(name, lines):
    path = pathlib.Path(__file__).with_name(name)
    text = "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines)
    path.write_text(text, encoding="utf-8")
    print(f"{path.name}: {len(lines)} writes, {len(text.encode())} bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=20260101)
    seed = parser.parse_args().seed
    lines = generate(seed)
    write("app-config.jsonl", lines)
    write("app-config-changes.jsonl", changes(seed, lines))


main()
