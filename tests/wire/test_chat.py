"""The tour's chat in two windows of a browser: rooms, who is there, what was said before, and a server that goes away.

SPDX-License-Identifier: MIT
"""

import json
import os

import conftest
import pytest
from browser import PROGRAM, Browser
from client import ask
from conftest import Server, arguments

pytestmark = [pytest.mark.skipif(not PROGRAM, reason="there is no chromium"),
              pytest.mark.skipif(bool(conftest.SANITIZE), reason="the browser does the same to every build")]


class Visitor(Browser):
    """A window in which the chat is open."""

    def come(self, url, room, name):
        self.open(url + "/chat")
        self.wait("document.getElementById('enter').open")
        self.evaluate(f"document.getElementById('enter-room').value = {json.dumps(room)};"
                      f"document.getElementById('enter-name').value = {json.dumps(name)};"
                      "document.querySelector('#enter button').click()")
        self.wait_for_state("connected")
        return self

    def wait_for_state(self, state):
        self.wait(f"document.getElementById('state').textContent === {json.dumps(state)}")

    def say(self, text):
        self.evaluate(f"document.getElementById('text').value = {json.dumps(text)};"
                      "document.getElementById('send').click()")

    def wait_for(self, selector, texts):
        """Until these and no others are the texts of what a selector finds."""
        found = f"[...document.querySelectorAll({json.dumps(selector)})].map(each => each.textContent)"
        self.wait(f"JSON.stringify({found}) === JSON.stringify({json.dumps(texts)})")

    def sees(self, *said):
        self.wait_for("li.said p", list(said))

    def sees_here(self, *names):
        self.wait_for("#here li", list(names))


def test_two_windows(root, start):
    server = start(*arguments(root))
    with Visitor() as ann, Visitor() as bob:
        ann.come(server.url, "tea room", "Ann")
        ann.sees_here("Ann (you)")
        ann.say("first")
        ann.say("<b>no tags</b> & \"quotes\", äöü 日本語")
        ann.sees("first", "<b>no tags</b> & \"quotes\", äöü 日本語")
        bob.come(server.url, "tea room", "Bob")  # who sees what was said before
        bob.sees("first", "<b>no tags</b> & \"quotes\", äöü 日本語")
        bob.sees_here("Ann", "Bob (you)")
        ann.sees_here("Ann (you)", "Bob")
        ann.wait_for("li.note", ["Bob has come"])
        bob.say("and third")
        for window in (ann, bob):
            window.wait_for("li.said:last-child p", ["and third"])
        if folder := os.environ.get("WEIR_SCREENSHOTS"):
            for window, name in ((ann, "chat"), (bob, "chat-dark")):
                window.resize(880, 520)
                window.prefer(prefers_color_scheme="dark" if "dark" in name else "light")
                window.screenshot(os.path.join(folder, f"{name}.png"), whole=False)
        ledger = json.loads(ask(server.address, path="/_weir/ledger.json").text())
        assert ledger["topics"]["subscribers"] == 4  # the room, and who comes and goes
        bob.evaluate("document.getElementById('change').click();"
                     "document.getElementById('enter-room').value = 'elsewhere';"
                     "document.querySelector('#enter button').click()")
        bob.sees_here("Bob (you)")
        bob.sees()
        ann.wait_for("li.note", ["Bob has come", "Bob has gone"])
        ann.sees_here("Ann (you)")
        assert not ann.errors and not bob.errors


def test_server_comes_back(root):
    server = Server(*arguments(root))
    port = server.address[1]
    with Visitor() as ann:
        ann.come(server.url, "lobby", "Ann")
        ann.say("before")
        ann.sees("before")
        server.stop()
        ann.wait("document.getElementById('state').className === 'bad'")
        server = Server(*arguments(root, "--port", port))
        ann.wait_for_state("connected")
        ann.sees()
        ann.say("after")
        ann.sees("after")
        server.stop()
