# SPDX-License-Identifier: MIT
"""
A callback of uvloop that is stuck for a while: it sleeps, calculates, or waits in C without letting
the GIL go; with `thread`, it sleeps on a loop of another thread than the first.
"""
import asyncio
import ctypes
import sys
import threading
import time

import uvloop


def stuck(way):
    if way == "sleep":
        time.sleep(0.15)  # PLANTED sleep
    elif way == "calculate":
        end = time.monotonic() + 0.15
        while time.monotonic() < end: pass  # PLANTED calculate
    elif way == "keep":
        ctypes.PyDLL(None).usleep(150_000)
    elif way == "thread":
        time.sleep(0.15)  # PLANTED thread


async def main():
    asyncio.get_running_loop().call_soon(stuck, sys.argv[1])
    await asyncio.sleep(0.01)
    print("done")


uvloop.install()
if sys.argv[1] == "thread":
    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    thread.join()
else:
    asyncio.run(main())
