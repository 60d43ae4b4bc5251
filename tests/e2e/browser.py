"""A headless Chromium, driven by the DevTools protocol over a pair of pipes: pages as people see them.

    with Browser() as browser:
        page = browser.open("/tmp/run.html", width=360)
        page.evaluate("document.title")

CHROMIUM: the program (chromium, as Debian calls it).
"""
import base64
import fcntl
import json
import os
import pathlib
import select
import shutil
import subprocess
import tempfile
import time

TIMEOUT_S = 60


def chromium():
    """Its path, or None."""
    return shutil.which(os.environ.get("CHROMIUM", "chromium"))


class Page:
    """A tab. What it asked the network for and what its console said is kept: `requests`, `complaints`."""

    def __init__(self, browser, session):
        self.browser, self.session = browser, session
        self.requests, self.complaints, self.loaded = [], [], False
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(domain + ".enable")

    def send(self, method, **params):
        return self.browser.send(method, self.session, **params)

    def heard(self, method, params):
        """An event of this page."""
        if method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(params["exceptionDetails"])[:400])
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.complaints.append(json.dumps(params["args"])[:400])
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.complaints.append(params["entry"]["text"])
        elif method == "Page.loadEventFired":
            self.loaded = True

    def show(self, width, height=900, dark=False, media=""):
        """As on a screen so wide; media: "print"."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = "dark" if dark else "light"
        self.send("Emulation.setEmulatedMedia", media=media, features=[{"name": "prefers-color-scheme", "value": scheme}])

    def go(self, path):
        self.loaded = False
        self.send("Page.navigate", url=pathlib.Path(path).absolute().as_uri())
        self.browser.wait(lambda: self.loaded, "the page is not loaded")

    def evaluate(self, expression):
        """The value of a JavaScript expression; of a promise what it comes to."""
        reply = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in reply:
            raise AssertionError(f"{expression}: {json.dumps(reply['exceptionDetails'])[:600]}")
        return reply["result"].get("value")

    def key(self, name):
        codes = {"Tab": 9, "Enter": 13, "Escape": 27, "ArrowUp": 38, "ArrowDown": 40, "ArrowLeft": 37, "ArrowRight": 39}
        text = {"Enter": "\r"}.get(name, "")
        for kind in ("keyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=codes[name], text=text)

    def type(self, text):
        self.send("Input.insertText", text=text)

    def picture(self, path, clip=None):
        """A PNG of what is seen, or of a part: (x, y, width, height) in the page."""
        more = {}
        if clip:
            more = {"clip": dict(zip(("x", "y", "width", "height"), clip), scale=1), "captureBeyondViewport": True}
        data = self.send("Page.captureScreenshot", format="png", **more)["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))


class Browser:
    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="actscope-browser-")
        self.pages, self.replies, self.number, self.rest = {}, {}, 0, b""
        theirs_in, self.to = os.pipe()
        self.back, theirs_out = os.pipe()
        # It reads commands from descriptor 3 and writes to 4. A shell puts them there: tests have threads, and between fork
        # and exec no Python should run. Copies above them, so that none is in the way.
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (theirs_in, theirs_out)]
        command = ["bash", "-c", 'exec "$@" 3<&"$0" 4>&' + str(high[1]), str(high[0]), chromium(), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                   "--hide-scrollbars", "--disable-background-networking", "--disable-component-update",
                   "--remote-debugging-pipe", f"--user-data-dir={self.folder}"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, pass_fds=high)
        for fd in (theirs_in, theirs_out, *high):
            os.close(fd)
        return self

    def __exit__(self, *_):
        try:
            self.send("Browser.close")
        except (AssertionError, OSError):
            self.process.kill()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for fd in (self.to, self.back):
            os.close(fd)
        shutil.rmtree(self.folder, ignore_errors=True)

    def send(self, method, session=None, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params, **({"sessionId": session} if session else {})}
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.to, data):]
        number = self.number
        self.wait(lambda: number in self.replies, f"no reply to {method}")
        reply = self.replies.pop(number)
        if "error" in reply:
            raise AssertionError(f"{method}: {reply['error']}")
        return reply["result"]

    def wait(self, done, what):
        """Listens until done() is true."""
        end = time.monotonic() + TIMEOUT_S
        while not done():
            ready, _, _ = select.select([self.back], [], [], max(0, end - time.monotonic()))
            data = os.read(self.back, 1 << 20) if ready else b""
            if not data:
                raise AssertionError(f"Chromium: {what}")
            *messages, self.rest = (self.rest + data).split(b"\0")
            for message in messages:
                self.hear(json.loads(message))

    def hear(self, message):
        if "id" in message:
            self.replies[message["id"]] = message
        elif message.get("sessionId") in self.pages:
            self.pages[message["sessionId"]].heard(message["method"], message["params"])

    def open(self, path, width=1200, **look):
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self.pages[session] = Page.__new__(Page)
        page.__init__(self, session)
        page.show(width, **look)
        page.requests.clear()
        page.go(path)
        return page
