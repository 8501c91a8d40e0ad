# SPDX-License-Identifier: MIT
"""
A server on uvloop whose handler blocks the loop, and a client that asks it. With the
argument `fixed` the handler leaves the work to a thread.
"""
import asyncio
import sys
import time

import uvloop

FIXED = sys.argv[1:] == ["fixed"]


def expensive(question):
    time.sleep(0.3)  # PLANTED
    return question.upper()


async def answer(reader, writer):
    while question := await reader.readline():
        if FIXED:
            loop = asyncio.get_running_loop()
            reply = await loop.run_in_executor(None, expensive, question)
        else:
            reply = expensive(question)
        writer.write(reply)
    writer.close()


async def ask(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"question\n")
    print((await reader.readline()).decode().strip())
    writer.close()
    await writer.wait_closed()


async def main():
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    await ask(server.sockets[0].getsockname()[1])
    server.close()
    await server.wait_closed()


uvloop.install()
asyncio.run(main())
