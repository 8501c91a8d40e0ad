# SPDX-License-Identifier: MIT
"""
Asks for the frames in the corners of Python: each line is the place and what was told there. Under
the shim alone, as the functions of uvhooks.h are called with ctypes.
"""
import asyncio
import ctypes
import os
import sys
import threading

import uvloop


class Frame(ctypes.Structure):
    _fields_ = [("function", ctypes.c_char_p), ("file", ctypes.c_char_p),
                ("line", ctypes.c_uint32), ("reserved", ctypes.c_uint32)]


class Stack(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint32), ("number", ctypes.c_uint32),
                ("address_count", ctypes.c_uint32), ("frame_count", ctypes.c_uint32),
                ("addresses", ctypes.c_void_p), ("frames", ctypes.POINTER(Frame))]


SHIM = ctypes.PyDLL(None)


def ask(where):
    """Prints the innermost three functions below this one that are of this file."""
    stack = Stack(ctypes.sizeof(Stack))
    error = SHIM.uvhooks_read_stack(SHIM.uvhooks_capture_stack(), ctypes.byref(stack))
    frames = [stack.frames[i] for i in range(stack.frame_count)] if error == 0 else []
    names = [frame.function.decode() for frame in frames if frame.file.decode() == __file__]
    print(f"{where}:", ", ".join(names[1:4]) or "none", flush=True)


class Worker:
    async def work(self):
        await asyncio.sleep(0)
        ask("a task")

    def __call__(self):
        ask("a callback")


async def main():
    asyncio.get_running_loop().call_soon(Worker())
    await asyncio.gather(Worker().work())


def fall(levels):
    if levels > 0:
        return fall(levels - 1)
    try:
        raise ValueError("on purpose")
    except ValueError:
        ask("an exception is handled")
    finally:
        ask("an exception was handled")


def subinterpreter():
    """The shim's functions are called from another interpreter: who runs there is not confused."""
    try:
        import _xxsubinterpreters as interpreters
    except ImportError:
        import _interpreters as interpreters
    other = interpreters.create()
    interpreters.run_string(other, "import sys")
    ask("beside another interpreter")
    interpreters.destroy(other)


def fork():
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        ask("a child")
        os._exit(0)
    os.waitpid(child, 0)


uvloop.install()
asyncio.run(main())
fall(5)
thread = threading.Thread(target=lambda: ask("a thread"))
thread.start()
thread.join()
threads = [threading.Thread(target=lambda: [SHIM.uvhooks_capture_stack() for _ in range(2000)])
           for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
subinterpreter()
fork()
