"""Drives a Chromium without a window by the DevTools protocol over a pair of pipes, so that nothing but the browser itself is needed.

SPDX-License-Identifier: MIT
"""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

PROGRAM = shutil.which("chromium")


NAVIGATED = "Inspected target navigated or closed"


class Navigated(Exception):
    """The page that was asked has gone meanwhile."""


class Browser:
    """One page. Use it as a context manager. errors: what the page's console complained about; responses: what the
    network has answered, as Network.responseReceived tells it. flags: further ones of the command line."""

    def __init__(self, *flags):
        self.folder = tempfile.mkdtemp(prefix="weir-browser-")
        to_read, to_write = os.pipe()
        from_read, from_write = os.pipe()

        def before():
            os.dup2(to_read, 103)
            os.dup2(from_write, 104)
            os.dup2(103, 3)
            os.dup2(104, 4)

        self.log = open(os.path.join(self.folder, "log"), "wb")
        self.process = subprocess.Popen(
            [PROGRAM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
             "--disable-extensions", "--hide-scrollbars", "--remote-debugging-pipe",
             f"--user-data-dir={self.folder}/profile", *flags, "about:blank"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, preexec_fn=before, pass_fds=(3, 4, to_read, from_write),
            env={**os.environ, "HOME": self.folder})
        os.close(to_read)
        os.close(from_write)
        self.to, self.origin = to_write, from_read
        self.buffered, self.last, self.session, self.errors, self.requests, self.responses = b"", 0, None, [], [], []
        try:
            target = self.call("Target.createTarget", url="about:blank")["targetId"]
            self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Network"):
                self.call(f"{domain}.enable")
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for fd in (self.to, self.origin):
            os.close(fd)
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _receive(self, seconds):
        """The next message, or None when there was none in time."""
        deadline = time.monotonic() + seconds
        while b"\0" not in self.buffered:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.origin], [], [], left)[0]:
                return None
            data = os.read(self.origin, 1 << 20)
            if not data:
                raise AssertionError("the browser has ended")
            self.buffered += data
        message, _, self.buffered = self.buffered.partition(b"\0")
        return json.loads(message)

    def _event(self, message):
        method, what = message.get("method"), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.errors.append(what["exceptionDetails"])
        elif method == "Log.entryAdded" and what["entry"]["level"] in ("error", "warning"):
            self.errors.append(what["entry"])
        elif method == "Runtime.consoleAPICalled" and what["type"] in ("error", "warning", "assert"):
            self.errors.append(what)
        elif method == "Network.requestWillBeSent":
            self.requests.append(what["request"]["url"])
        elif method == "Network.responseReceived":
            self.responses.append(what["response"])

    def call(self, method, seconds=60, **parameters):
        self.last += 1
        message = {"id": self.last, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + seconds
        while True:
            answer = self._receive(max(0, deadline - time.monotonic()))
            assert answer is not None, f"{method} was not answered"
            if answer.get("id") == self.last:
                if NAVIGATED in str(answer.get("error")):
                    raise Navigated(answer["error"])
                assert "error" not in answer, answer
                return answer["result"]
            self._event(answer)

    def open(self, url):
        self.call("Page.navigate", url=url)
        self.wait("location.protocol !== 'about:' && document.readyState === 'complete'")

    def evaluate(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def wait(self, expression, seconds=60):
        """Waits until an expression is true, and returns its value."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                if value := self.evaluate(expression):
                    return value
            except Navigated:
                pass  # the page goes, and another comes
            assert time.monotonic() < deadline, f"{expression} never held; {self.errors}"
            time.sleep(0.1)

    def choose_files(self, selector, *paths):
        """Chooses files in an input of the page, as its user would."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(path) for path in paths])

    def resize(self, width, height, scale=1):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False)

    def prefer(self, **features):
        """prefer(prefers_color_scheme="dark")"""
        self.call("Emulation.setEmulatedMedia",
                  features=[{"name": name.replace("_", "-"), "value": value} for name, value in features.items()])

    def press(self, key, code=0, letter=""):
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, text=letter if kind == "keyDown" else "")

    def screenshot(self, path, whole=True):
        parameters = {"format": "png", "captureBeyondViewport": whole}
        if whole:
            size = self.call("Page.getLayoutMetrics")["cssContentSize"]
            parameters["clip"] = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        data = base64.b64decode(self.call("Page.captureScreenshot", **parameters)["data"])
        with open(path, "wb") as file:
            file.write(data)
