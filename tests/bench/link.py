#!/usr/bin/env python3
"""A slow link to a server on this machine: all connections through it share so many
bytes a second towards the client, and everything takes its time.

usage: link.py PORT DELAY-MS BYTES-A-SECOND

Prints the port that it listens on, then runs until it is killed. toxiproxy, which
does the like, limits each connection by itself, so that more connections make the
link faster; here they make each other slow, as on a real one.
"""

import asyncio
import contextlib
import sys

ADDRESS = "127.0.0.1"
CHUNK = 16 * 1024  # bytes read at once
QUEUE_S = 0.1  # of bytes that wait for the link; who has more waits outside


class Link:
    def __init__(self, port, delay_s, rate):
        self.port, self.delay_s, self.rate = port, delay_s, rate
        self.free_at = 0.0  # when what waits has passed

    async def up(self, reader, writer):
        """Requests are small: they are late, and that is all."""
        loop = asyncio.get_running_loop()
        while data := await reader.read(CHUNK):
            loop.call_later(self.delay_s / 2, write, writer, data)

    async def down(self, reader, writer):
        loop = asyncio.get_running_loop()
        while data := await reader.read(CHUNK):
            while (ahead := self.free_at - loop.time()) > QUEUE_S:
                await asyncio.sleep(ahead - QUEUE_S)
            begin = max(self.free_at, loop.time())
            self.free_at = begin + len(data) / self.rate
            loop.call_at(self.free_at + self.delay_s / 2, write, writer, data)
        loop.call_at(self.free_at + self.delay_s / 2, writer.close)

    async def join(self, reader, writer):
        with contextlib.suppress(OSError):
            far_reader, far_writer = await asyncio.open_connection(ADDRESS, self.port)
            try:
                await asyncio.wait(
                    [
                        asyncio.create_task(self.up(reader, far_writer)),
                        asyncio.create_task(self.down(far_reader, writer)),
                    ],
                    return_when=asyncio.FIRST_COMPLETED,
                )
            finally:
                far_writer.close()


def write(writer, data):
    if not writer.is_closing():
        writer.write(data)


async def main(port, delay_ms, rate):
    link = Link(port, delay_ms / 1000, rate)
    server = await asyncio.start_server(link.join, ADDRESS, 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(*map(int, sys.argv[1:4])))
