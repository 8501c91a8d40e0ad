#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs a program in a terminal of its own, of 91 columns and 17 rows, and types for it.

usage: terminal.py PROMPT ANSWER PROGRAM [ARGUMENT...]

When PROMPT has come, ANSWER and Return are typed. Prints all that the program wrote to the terminal,
and ends with its status.
"""

import fcntl
import os
import pty
import struct
import sys
import termios


def main(prompt, answer, *command):
    pid, terminal = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 17, 91, 0, 0))
        os.execvp(command[0], command)
    said = b""
    answered = False
    while True:
        try:
            data = os.read(terminal, 65536)
        except OSError:  # EIO: nobody has it open any more
            break
        if not data:
            break
        said += data
        if not answered and prompt.encode() in said:
            os.write(terminal, answer.encode() + b"\r")
            answered = True
    sys.stdout.buffer.write(said)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
