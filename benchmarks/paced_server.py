"""A web server that gives each connection a steady rate; nginx's `limit_rate` begins answers with a burst.

    python benchmarks/paced_server.py FILE HOST:PORT:RATE[:stall=BYTES][:flip=OFFSET] …

Serves FILE under any path at each address, with ranges, RATE bytes a second on each connection, however many
requests it carries. `stall`: after so many bytes over all connections the host falls silent for good.
`flip`: the byte at that offset of the file is another one.
"""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

#: Bytes at once: 6.5 ms at 5 MB/s.
BLOCK = 32 << 10
#: Seconds that a connection may lag behind its rate and make up for.
SLACK = 0.05
_RANGE = re.compile(rb"(?i)\r\nrange: *bytes=(\d+)-(\d*)")


class Host:
    """Mutable: one address, and how many bytes it has given."""

    def __init__(self, content: bytes, words: str) -> None:
        self.name, port, rate, *faults = words.split(":")
        self.port, self.rate, self.given = int(port), float(rate), 0
        told = dict(fault.split("=") for fault in faults)
        self.stall = int(told.get("stall", 1 << 62))
        if "flip" in told:
            at = int(told["flip"])
            content = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
        self._content = memoryview(content)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        writer.transport.set_write_buffer_limits(high=BLOCK)
        due = 0.0
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                due = await self._answer(head, writer, due)
        except (asyncio.IncompleteReadError, OSError):
            return  # the client has gone
        finally:
            writer.close()

    async def _answer(self, head: bytes, writer: asyncio.StreamWriter, due: float) -> float:
        size = len(self._content)
        asked = _RANGE.search(head)
        start, stop = (int(asked[1]), min(size, int(asked[2] or size) + 1)) if asked else (0, size)
        if self.given >= self.stall:
            await asyncio.Event().wait()
        status = f"206 Partial\r\nContent-Range: bytes {start}-{stop - 1}/{size}" if asked else "200 OK"
        more = f'Content-Length: {stop - start}\r\nETag: "1"\r\nAccept-Ranges: bytes'
        writer.write(f"HTTP/1.1 {status}\r\n{more}\r\n\r\n".encode())
        if not head.startswith(b"HEAD"):
            for at in range(start, stop, BLOCK):
                due = await self._send(writer, self._content[at : min(stop, at + BLOCK)], due)
        await writer.drain()
        return due

    async def _send(self, writer: asyncio.StreamWriter, block: memoryview, due: float) -> float:
        """Send a block when it is due; return when the next one is."""
        if self.given >= self.stall:
            await asyncio.Event().wait()
        now = asyncio.get_running_loop().time()
        if due > now:
            await asyncio.sleep(due - now)
        self.given += len(block)
        writer.write(block)
        await writer.drain()
        return max(due, now - SLACK) + len(block) / self.rate


async def main(path: str, *hosts: str) -> None:
    """Serve until the end."""
    content = Path(path).read_bytes()
    servers = []
    for words in hosts:
        host = Host(content, words)
        servers.append(await asyncio.start_server(host.talk, host.name, host.port, backlog=256))
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
