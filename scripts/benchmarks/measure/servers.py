"""Real nats-servers on free ports, and a client over plain sockets that needs nothing but Python."""
import json
import os
import pathlib
import re
import socket
import subprocess
import threading
import time


class Failed(Exception):
    """What went wrong; ends the measurement."""


def wait_for(what, condition, seconds=30):
    """Asks again and again until the condition holds, and answers what it said."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise Failed(f"waited {seconds} s in vain for {what}")


class Client:
    """One connection: whoever reads from it is alone in that, sending is for everybody."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = self.socket.makefile("rb", buffering=1 << 16)
        self.inbox = f"_INBOX.{os.urandom(8).hex()}"
        self.lock = threading.Lock()
        options = {"verbose": False, "pedantic": False, "headers": True, "no_responders": True, "name": "benchmark"}
        self.send(f"CONNECT {json.dumps(options)}\r\nSUB {self.inbox}.* 1\r\n".encode())

    def send(self, data):
        with self.lock:
            self.socket.sendall(data)

    def message(self):
        """The next message: subject, reply subject, body without headers; None when the connection has ended."""
        while True:
            words = self.reader.readline().split()
            if not words:
                return None
            if words[0] == b"PING":
                self.send(b"PONG\r\n")
            elif words[0] == b"-ERR":
                raise Failed(f"the server refused: {b' '.join(words).decode()}")
            elif words[0] in (b"MSG", b"HMSG"):
                headers = int(words[-2]) if words[0] == b"HMSG" else 0
                body = self.reader.read(int(words[-1]) + 2)
                has_reply = len(words) == (6 if headers else 5)
                return words[1], words[3] if has_reply else b"", body[headers:-2]

    def request(self, subject, body=None):
        """The answer to a request, parsed."""
        data = json.dumps({} if body is None else body).encode()
        self.send(f"PUB {subject} {self.inbox}.request {len(data)}\r\n".encode() + data + b"\r\n")
        reply = self.message()
        if reply is None:
            raise Failed("the server closed the connection")
        return json.loads(reply[2] or b"{}")

    def api(self, subject, body=None):
        """The same of JetStream; an error in the answer ends the measurement."""
        answer = self.request(f"$JS.API.{subject}", body)
        if "error" in answer:
            raise Failed(f"{subject}: {answer['error'].get('description')}")
        return answer

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # It was closed by the server.


class Server:
    """A nats-server with JetStream on a free port."""

    def __init__(self, folder, name):
        self.folder = pathlib.Path(folder, name)
        self.folder.mkdir()
        binary = os.environ["NATS_SERVER"]
        self.process = subprocess.Popen(
            [binary, "--addr", "127.0.0.1", "--port", "-1", "--ports_file_dir", self.folder, "--jetstream",
             "--store_dir", self.folder / "store", "--log", self.folder / "log"],
            stdin=subprocess.DEVNULL)
        ports = self.folder / f"{os.path.basename(binary)}_{self.process.pid}.ports"
        self.port = wait_for(f"{binary} to start", lambda: self.find_port(ports))

    @staticmethod
    def find_port(path):
        found = re.search(r'"nats://127\.0\.0\.1:(\d+)"', path.read_text()) if path.exists() else None
        return found and int(found.group(1))

    @property
    def url(self):
        return f"nats://127.0.0.1:{self.port}"

    def stop(self):
        self.process.kill()
        self.process.wait()

    def client(self, work):
        """Does something over a connection of its own."""
        client = Client(self.port)
        try:
            return work(client)
        finally:
            client.close()

    def create(self, bucket, storage="file", history=5):
        self.client(lambda client: client.api(f"STREAM.CREATE.KV_{bucket}", {
            "name": f"KV_{bucket}", "subjects": [f"$KV.{bucket}.>"], "max_msgs_per_subject": history,
            "storage": storage, "discard": "new", "allow_rollup_hdrs": True, "deny_delete": True,
            "allow_direct": True}))

    def delete(self, bucket):
        self.client(lambda client: client.api(f"STREAM.DELETE.KV_{bucket}"))

    def entries(self, bucket):
        """How many entries a bucket holds."""
        return self.client(lambda client: client.api(f"STREAM.INFO.KV_{bucket}")["state"]["messages"])
