"""Programs at a terminal of their own."""
import fcntl
import os
import re
import select
import shutil
import struct
import subprocess
import termios
import time

SETSID = shutil.which("setsid")
WAIT_S = 30  # for something that takes a moment, on a busy machine


def without_escapes(text):
    return re.sub(r"\x1b(\[[?0-9;]*[a-zA-Z]|[=>])|[\x07\r]", "", text)


class Terminal:
    """A program at a terminal of `columns`. stdout: a file that its standard output goes to instead."""

    def __init__(self, argv, folder, env, columns=80, stdout=None):
        self.text = self.all = ""
        self.fd, inner = os.openpty()
        self.resize(columns)
        with open(stdout or os.devnull, "wb") as file:
            # setsid makes it the session's own terminal, so that shells have their jobs.
            self.process = subprocess.Popen([SETSID, "--ctty", *argv], cwd=folder, env=env, stdin=inner, stderr=inner,
                                            stdout=file if stdout else inner)
        os.close(inner)

    def resize(self, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def send(self, text):
        os.write(self.fd, text.encode())

    def read(self, deadline):
        """What comes next; "" at the end, or when it is late."""
        ready, _, _ = select.select([self.fd], [], [], max(0, deadline - time.monotonic()))
        try:
            got = os.read(self.fd, 65536) if ready else b""
        except OSError:  # all have closed it
            got = b""
        self.all += got.decode(errors="replace")
        return got.decode(errors="replace")

    def expect(self, wanted):
        """Reads until the text matches; what was read, without escape sequences."""
        deadline = time.monotonic() + WAIT_S
        while not re.search(wanted, without_escapes(self.text)):
            got = self.read(deadline)
            if not got:
                raise AssertionError(f"no {wanted!r} came, but {without_escapes(self.text)!r}")
            self.text += got
        found, self.text = without_escapes(self.text), ""
        return found

    def finish(self, seconds=WAIT_S):
        """Reads to the end; the exit status, negative after a signal."""
        deadline = time.monotonic() + seconds
        while self.read(deadline):
            pass
        try:
            return self.process.wait(max(1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired as late:
            raise AssertionError(f"it goes on: {self.all!r}") from late

    def close(self):
        os.close(self.fd)
        self.process.kill()
        self.process.wait()
