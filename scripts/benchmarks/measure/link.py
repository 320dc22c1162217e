"""A slow, long link to a server: a proxy that lets so many bytes a second through and holds each back for a while."""
import collections
import socket
import threading
import time

# What waits in front of the link, as in a router; more is not read from the sender.
QUEUE = 256 << 10


class Direction:
    """One way through the link."""

    def __init__(self, source, target, rate, delay):
        self.source, self.target, self.rate, self.delay = source, target, rate, delay
        self.limit = QUEUE + int(rate * delay)
        self.passed = 0
        self.waiting = collections.deque()
        self.bytes = 0
        self.changed = threading.Condition()
        for work in (self.read, self.write):
            threading.Thread(target=work, daemon=True).start()

    def read(self):
        free_at = 0.0
        data = b" "
        while data:
            with self.changed:
                self.changed.wait_for(lambda: self.bytes < self.limit)
            try:
                data = self.source.recv(16 << 10)
            except OSError:
                data = b""
            free_at = max(free_at, time.monotonic()) + len(data) / self.rate
            with self.changed:
                self.waiting.append((free_at + self.delay, data))
                self.bytes += len(data)
                self.changed.notify_all()

    def write(self):
        data = b" "
        while data:
            with self.changed:
                self.changed.wait_for(lambda: self.waiting)
                due, data = self.waiting[0]
            time.sleep(max(0.0, due - time.monotonic()))
            try:
                self.target.sendall(data)
                if not data:
                    self.target.shutdown(socket.SHUT_WR)
            except OSError:
                data = b""
            with self.changed:
                self.waiting.popleft()
                self.bytes -= len(data)
                self.passed += len(data)
                self.changed.notify_all()


class Link:
    """Listens on a free port and passes on what comes: `rate` bytes a second, `delay` seconds each way."""

    def __init__(self, port, rate, delay):
        self.port, self.rate, self.delay = port, rate, delay
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"nats://127.0.0.1:{self.listener.getsockname()[1]}"
        self.directions = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.port))
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.directions.append((Direction(server, client, self.rate, self.delay),
                                    Direction(client, server, self.rate, self.delay)))

    @property
    def received(self):
        """Bytes that came to the client."""
        return sum(toward.passed for toward, _ in self.directions)

    @property
    def sent(self):
        """Bytes that came to the server."""
        return sum(away.passed for _, away in self.directions)

    def close(self):
        self.listener.close()
