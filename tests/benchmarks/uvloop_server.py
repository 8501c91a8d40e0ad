# SPDX-License-Identifier: MIT
"""An echo server under uvloop. Prints its port, and ends when stdin does: then it prints how many
seconds of a processor it took."""

import asyncio
import resource
import sys

import uvloop


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Echo, "127.0.0.1", 0)
    ended = asyncio.Event()
    loop.add_reader(sys.stdin, ended.set)
    print(server.sockets[0].getsockname()[1], flush=True)
    await ended.wait()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(usage.ru_utime + usage.ru_stime, flush=True)


uvloop.install()
asyncio.run(main())
