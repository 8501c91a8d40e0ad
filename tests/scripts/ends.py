# SPDX-License-Identifier: MIT
"""
Ends while callbacks on other threads are stuck, with the GIL and without: a watchdog that asks for
their frames then must not keep it, nor be kept. The argument is how long it waits, in milliseconds.
"""
import ctypes
import sys
import threading
import time

UV = ctypes.CDLL("libuv.so.1")
HELD = ctypes.PyDLL(None)
CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
kept = []


def run(callback, mode):
    loop, timer = ctypes.create_string_buffer(2048), ctypes.create_string_buffer(256)
    function = CALLBACK(lambda _: callback())
    kept.append((loop, timer, function))
    UV.uv_loop_init(loop)
    UV.uv_timer_init(loop, timer)
    UV.uv_timer_start(timer, function, ctypes.c_uint64(1), ctypes.c_uint64(1))
    UV.uv_run(loop, mode)


def be_stuck():
    while True:
        HELD.usleep(3000)
        time.sleep(0.002)


class Last:
    def __del__(self):
        time.sleep(0.01)


for _ in range(3):
    threading.Thread(target=run, args=(be_stuck, 0), daemon=True).start()
run(lambda: HELD.usleep(int(sys.argv[1]) * 1000), 1)
sys.last = Last()
print("ends")
sys.exit(7)
