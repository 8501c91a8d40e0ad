# SPDX-License-Identifier: MIT
"""An echo server under uvloop whose connections come and go; see load.c for what they want.

    server.py [LEAK]

Prints its port. A line "N" on stdin asks it to say when it has N connections: then it prints what it
has, by its own count, as JSON. It ends when stdin does.

LEAK is what is kept of one connection in 1000 for ever: "handle", a timer of which its count knows
nothing; "descriptor"; or "memory", 64 KiB.
"""
import asyncio
import gc
import json
import os
import sys

import uvloop

LEAKS_EVERY = 1000

live = set()
served = 0
hoard = []
wanted = None


async def tell():
    # What is closed is gone some turns of the loop later.
    for _ in range(8):
        await asyncio.sleep(0)
    gc.collect()
    print(json.dumps({"connections": len(live), "timers": len(live), "served": served}), flush=True)


def tell_if_reached():
    global wanted
    if wanted is not None and len(live) == wanted:
        wanted = None
        asyncio.get_running_loop().create_task(tell())


def leak(loop):
    kind = sys.argv[1]
    if kind == "handle":
        loop.call_later(86400, print)
    elif kind == "descriptor":
        hoard.append(os.dup(0))
    else:
        hoard.append(bytearray(64 << 10))


class Connection(asyncio.Protocol):
    def connection_made(self, transport):
        global served
        served += 1
        loop = asyncio.get_running_loop()
        self.transport = transport
        self.timer = loop.call_later(3600, transport.abort)
        live.add(self)
        if len(sys.argv) > 1 and served % LEAKS_EVERY == 0:
            leak(loop)

    def data_received(self, data):
        if data.startswith(b"d"):
            asyncio.get_running_loop().create_task(self.look_up(data))
        else:
            self.answer(data)

    async def look_up(self, data):
        await asyncio.get_running_loop().getaddrinfo("localhost", 80)
        self.answer(data)

    def answer(self, data):
        self.transport.write(data)
        if data.startswith(b"c"):
            self.transport.close()

    def connection_lost(self, _):
        self.timer.cancel()
        live.discard(self)
        tell_if_reached()


async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", 0, backlog=1000)
    ended = asyncio.Event()

    def on_input():
        global wanted
        line = os.read(0, 100)
        if not line:
            ended.set()
        else:
            wanted = int(line)
            tell_if_reached()

    loop.add_reader(0, on_input)
    print(server.sockets[0].getsockname()[1], flush=True)
    await ended.wait()
    for connection in list(live):
        connection.transport.abort()


uvloop.install()
asyncio.run(main())
