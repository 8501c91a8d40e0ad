# SPDX-License-Identifier: MIT
"""What an asyncio program does with uvloop, each part printed in a fixed order."""

import asyncio
import os
import signal
import socket
import sys
import threading

import uvloop


async def echo_server(loop):
    async def serve(reader, writer):
        while line := await reader.readline():
            writer.write(b"echo " + line)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    async def client(number):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        lines = []
        for round_trip in range(3):
            writer.write(b"%d.%d\n" % (number, round_trip))
            lines.append((await reader.readline()).decode().strip())
        writer.write_eof()
        rest = await reader.read()
        writer.close()
        await writer.wait_closed()
        return lines + [rest]

    for answer in await asyncio.gather(*(client(n) for n in range(4))):
        print("echo:", answer)
    server.close()
    await server.wait_closed()


async def unix_socket(loop, folder):
    path = os.path.join(folder, "socket")

    async def serve(reader, writer):
        writer.write((await reader.readline()).upper())
        writer.close()

    server = await asyncio.start_unix_server(serve, path)
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"by a name\n")
    print("unix:", (await reader.read()).decode().strip())
    writer.close()
    server.close()
    await server.wait_closed()


async def datagrams(loop):
    answer = loop.create_future()

    class Server(asyncio.DatagramProtocol):
        def connection_made(self, transport):
            self.transport = transport

        def datagram_received(self, data, addr):
            self.transport.sendto(data[::-1], addr)

    class Client(asyncio.DatagramProtocol):
        def connection_made(self, transport):
            transport.sendto(b"datagram")

        def datagram_received(self, data, addr):
            answer.set_result(data.decode())

    server, _ = await loop.create_datagram_endpoint(Server, local_addr=("127.0.0.1", 0))
    address = server.get_extra_info("sockname")
    client, _ = await loop.create_datagram_endpoint(Client, remote_addr=address)
    print("udp:", await answer)
    client.close()
    server.close()


async def processes():
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", "read line; echo got $line; echo noise >&2; exit 5",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE)
    out, err = await process.communicate(b"something\n")
    print("subprocess:", out.decode().strip(), err.decode().strip(), process.returncode)

    # preexec_fn runs Python in the child between fork and exec, inside uv_spawn.
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", "echo $PREPARED", stdout=asyncio.subprocess.PIPE,
        preexec_fn=lambda: os.putenv("PREPARED", "unseen"))
    out, _ = await process.communicate()
    print("preexec:", process.returncode)

    process = await asyncio.create_subprocess_exec("sleep", "60")
    process.terminate()
    print("terminated:", await process.wait())


async def names(loop):
    found = await loop.getaddrinfo("localhost", 80, family=socket.AF_INET,
                                   type=socket.SOCK_STREAM)
    print("getaddrinfo:", found[0][4])
    print("getnameinfo:", await loop.getnameinfo(
        ("127.0.0.1", 80), socket.NI_NUMERICHOST | socket.NI_NUMERICSERV))


async def signals(loop):
    came = asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, came.set)
    os.kill(os.getpid(), signal.SIGUSR1)
    await asyncio.wait_for(came.wait(), 10)
    loop.remove_signal_handler(signal.SIGUSR1)
    print("signal: came")


async def threads(loop):
    squares = await asyncio.gather(*(
        loop.run_in_executor(None, lambda n=n: n * n) for n in range(5)))
    print("executor:", squares)

    woken = loop.create_future()
    thread = threading.Thread(
        target=lambda: loop.call_soon_threadsafe(woken.set_result, "woken"))
    thread.start()
    print("thread:", await woken)
    thread.join()


async def timers(loop):
    order = []
    done = loop.create_future()
    loop.call_later(0.03, order.append, "third")
    loop.call_later(0.01, order.append, "second")
    loop.call_soon(order.append, "first")
    loop.call_later(0.02, order.append, "cancelled").cancel()
    loop.call_later(0.05, done.set_result, None)
    await done
    print("timers:", order)


async def pipes(loop):
    readable, writable = os.pipe()
    came = loop.create_future()
    loop.add_reader(readable, lambda: came.done() or came.set_result(os.read(readable, 100)))
    os.write(writable, b"through a pipe")
    print("reader:", (await came).decode())
    loop.remove_reader(readable)
    os.close(readable)
    os.close(writable)


async def main(folder):
    loop = asyncio.get_running_loop()
    print("loop:", type(loop).__module__)
    await timers(loop)
    await echo_server(loop)
    await unix_socket(loop, folder)
    await datagrams(loop)
    await processes()
    await names(loop)
    await signals(loop)
    await threads(loop)
    await pipes(loop)


uvloop.install()
asyncio.run(main(sys.argv[1]))


def loop_in_thread():
    loop = uvloop.new_event_loop()
    loop.run_until_complete(asyncio.sleep(0.01))
    loop.close()
    print("loop in a thread: closed")


# A second loop after the first, and one that is not the main thread's.
asyncio.run(asyncio.sleep(0.01))
other = threading.Thread(target=loop_in_thread)
other.start()
other.join()
