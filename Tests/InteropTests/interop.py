"""Does with nats-py what a test asks for: one command a line of JSON on standard input, one answer a line on standard
output. Values travel in Base64. An answer holds what was found, or `error`: the name of the exception's class."""

import asyncio
import base64
import importlib.metadata
import json
import sys

import nats
from nats.js import api


def encoded(value):
    return base64.b64encode(value or b"").decode()


def shown(entry):
    return {
        "key": entry.key,
        "value": encoded(entry.value),
        "revision": entry.revision,
        "delta": entry.delta,
        "operation": entry.operation,
    }


async def unheard(error):
    """What a connection says of its server's end, which is the test's doing: a command that fails says so itself."""


class Peer:
    def __init__(self):
        self.connection = None
        self.watches = []

    async def connect(self, command):
        self.connection = await nats.connect(command["url"], allow_reconnect=False, error_cb=unheard)
        return {"text": importlib.metadata.version("nats-py")}

    async def create_bucket(self, command):
        settings = dict(command.get("settings") or {})
        if "storage" in settings:
            settings["storage"] = api.StorageType(settings["storage"])
        if "republish" in settings:
            settings["republish"] = api.RePublish(**settings["republish"])
        await self.connection.jetstream().create_key_value(
            api.KeyValueConfig(bucket=command["bucket"], **settings))
        return {}

    async def bucket(self, command):
        return await self.connection.jetstream().key_value(command["bucket"])

    async def put(self, command):
        bucket = await self.bucket(command)
        return {"revision": await bucket.put(command["key"], base64.b64decode(command["value"]))}

    async def get(self, command):
        bucket = await self.bucket(command)
        return {"entries": [shown(await bucket.get(command["key"], command.get("revision")))]}

    async def create(self, command):
        bucket = await self.bucket(command)
        value = base64.b64decode(command["value"])
        return {"revision": await bucket.create(command["key"], value, msg_ttl=command.get("lifetime"))}

    async def update(self, command):
        bucket = await self.bucket(command)
        value = base64.b64decode(command["value"])
        return {"revision": await bucket.update(command["key"], value, last=command["revision"])}

    async def delete(self, command):
        bucket = await self.bucket(command)
        await bucket.delete(command["key"], last=command.get("revision"))
        return {}

    async def purge(self, command):
        bucket = await self.bucket(command)
        await bucket.purge(command["key"], msg_ttl=command.get("lifetime"))
        return {}

    async def purge_deletes(self, command):
        bucket = await self.bucket(command)
        await bucket.purge_deletes(olderthan=command["age"])
        return {}

    async def history(self, command):
        bucket = await self.bucket(command)
        return {"entries": [shown(entry) for entry in await bucket.history(command["key"])]}

    async def keys(self, command):
        bucket = await self.bucket(command)
        return {"keys": sorted(await bucket.keys(filters=command.get("filters")))}

    async def status(self, command):
        bucket = await self.bucket(command)
        status = await bucket.status()
        facts = {
            "bucket": status.bucket,
            "values": status.values,
            "history": status.history,
            "ttl": status.ttl,
            "marker_ttl": status.marker_ttl,
            "config": status.stream_info.config.as_dict(),
        }
        return {"text": json.dumps(facts, default=str)}

    async def watch(self, command):
        bucket = await self.bucket(command)
        self.watches.append(await bucket.watch(
            command["key"],
            include_history=command.get("history", False),
            ignore_deletes=command.get("ignoreDeletes", False),
            meta_only=command.get("metaOnly", False)))
        return {"watch": len(self.watches) - 1}

    async def next(self, command):
        entry = await self.watches[command["watch"]].updates(timeout=30)
        return {"entries": [shown(entry)] if entry else []}

    async def stop(self, command):
        await self.watches[command["watch"]].stop()
        return {}


async def main():
    peer = Peer()
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        command = json.loads(line)
        try:
            answer = await getattr(peer, command["name"])(command)
        except Exception as error:  # whatever nats-py raises is what the test wants to see
            answer = {"error": type(error).__name__, "text": str(error)}
        print(json.dumps(answer), flush=True)


asyncio.run(main())
