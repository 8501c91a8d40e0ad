# SPDX-License-Identifier: MIT
"""An asyncio server under uvloop with several clients at once, each of which asks twice.

The first argument says how it is written: as a protocol, of callbacks, or with streams, of
coroutines. An answer waits for a timer, and the last is too long for one write. The clients are
threads with sockets of the system. With a second argument, one, they come one after the other.
"""

import asyncio
import socket
import sys
import threading

import uvloop

CLIENTS = 5
MORE = b"." * (6 << 20)  # than the socket takes at once

together = threading.Barrier(1 if "one" in sys.argv else CLIENTS)


class Echo(asyncio.Protocol):
    def __init__(self, ended):
        self.ended = ended

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        asyncio.get_running_loop().call_later(0.01, self.answer, data)

    def answer(self, data):
        self.transport.write(b"echo " + data)
        if data == b"second\n":
            self.transport.write(MORE)
            self.transport.write_eof()

    def connection_lost(self, _error):
        self.ended()


async def serve(reader, writer, ended):
    while line := await reader.readline():
        await asyncio.sleep(0.01)
        writer.write(b"echo " + line)
        if line == b"second\n":
            writer.write(MORE)
            writer.write_eof()
        await writer.drain()
    writer.close()
    await writer.wait_closed()
    ended()


def client(port):
    with socket.create_connection(("127.0.0.1", port)) as connection:
        file = connection.makefile("rwb")
        together.wait()
        answers = []
        for line in b"first\n", b"second\n":
            file.write(line)
            file.flush()
            answers.append(file.readline().decode().strip())
            together.wait()
        return answers, len(file.read())


async def main(manner):
    loop = asyncio.get_running_loop()
    endings = asyncio.Queue()

    def ended():
        endings.put_nowait(None)

    if manner == "protocol":
        server = await loop.create_server(lambda: Echo(ended), "127.0.0.1", 0)
    else:
        server = await asyncio.start_server(
            lambda reader, writer: serve(reader, writer, ended), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    if "one" in sys.argv:
        for _ in range(CLIENTS):
            print(*await loop.run_in_executor(None, client, port))
            await endings.get()
    else:
        for answers in await asyncio.gather(*(
                loop.run_in_executor(None, client, port) for _ in range(CLIENTS))):
            print(*answers)
            await endings.get()
    server.close()
    await server.wait_closed()
    print("all ended")


uvloop.install()
asyncio.run(main(sys.argv[1]))
