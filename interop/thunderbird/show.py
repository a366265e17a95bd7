"""Lets a headless Thunderbird show messages, and prints what it says of each: one line of JSON.

usage: show.py PROFILE MESSAGE...

Marionette is plain TCP on the loopback: LENGTH:[0,id,"Command",{...}]. Thunderbird is started once
for each message, and ended by its process id.
"""

import json
import os
import socket
import subprocess
import sys
import time

PORT = 2828
SCRIPT = """
const out = [];
for (const window of Services.wm.getEnumerator(null)) {
  const documents = [window.document];
  for (const browser of window.document.querySelectorAll("browser")) {
    try { if (browser.contentDocument) documents.push(browser.contentDocument); } catch (e) {}
  }
  for (const document of [...documents]) {
    for (const browser of document.querySelectorAll("browser")) {
      try { if (browser.contentDocument) documents.push(browser.contentDocument); } catch (e) {}
    }
  }
  for (const document of documents) {
    const box = document.getElementById("cryptoBox");
    if (!box) continue;
    const pane = document.getElementById("messagepane");
    const signed = document.getElementById("signedHdrIcon");
    const sealed = document.getElementById("encryptedHdrIcon");
    const said = (icon) => icon && !icon.hidden ? (icon.alt || icon.getAttribute("alt") || "") : "hidden";
    out.push({
      technology: box.getAttribute("tech"),
      signed: said(signed),
      sealed: said(sealed),
      subject: document.getElementById("expandedsubjectBox")?.textContent.trim(),
      body: pane?.contentDocument?.body?.textContent.slice(0, 400),
    });
  }
}
return out;
"""


class Marionette:
    def __init__(self, patience=60):
        end = time.time() + patience
        while True:
            try:
                self.socket = socket.create_connection(("127.0.0.1", PORT), 5)
                break
            except OSError:
                if time.time() > end:
                    raise SystemExit("Marionette does not answer") from None
                time.sleep(0.5)
        self.socket.settimeout(60)
        self.number = 0
        self.read()

    def read(self):
        length = b""
        while (octet := self.socket.recv(1)) != b":":
            if not octet:
                raise SystemExit("Marionette hung up")
            length += octet
        text = b""
        while len(text) < int(length):
            text += self.socket.recv(int(length) - len(text))
        return json.loads(text)

    def ask(self, command, **what):
        self.number += 1
        text = json.dumps([0, self.number, command, what]).encode()
        self.socket.sendall(b"%d:%s" % (len(text), text))
        _, _, error, value = self.read()
        if error:
            raise SystemExit(error["message"])
        return value


def show(profile, message):
    home = os.path.dirname(os.path.abspath(profile))
    with subprocess.Popen(
        ["thunderbird", "--headless", "--profile", profile, "--no-remote", "--marionette",
         "-remote-allow-system-access", os.path.abspath(message)],
        env={**os.environ, "HOME": home, "MOZ_HEADLESS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as program:
        try:
            window = Marionette()
            window.ask("WebDriver:NewSession", capabilities={"alwaysMatch": {}})
            window.ask("Marionette:SetContext", value="chrome")
            found, end, seen = [], time.time() + 60, None
            while time.time() < end:
                found = window.ask("WebDriver:ExecuteScript", script=SCRIPT, args=[])["value"]
                # The verdict comes after the text: a bad one is believed when none else comes.
                if any("Good signature" in one["signed"] for one in found if one["body"]):
                    break
                if seen is None and any(one["body"] for one in found):
                    seen = time.time()
                if seen is not None and time.time() > seen + 15:
                    break
                time.sleep(0.5)
            return next((one for one in found if one["body"]), {"signed": "nothing is shown", "sealed": "", "body": ""})
        finally:
            program.terminate()
            try:
                program.wait(20)
            except subprocess.TimeoutExpired:
                program.kill()


def main(profile, *messages):
    for message in messages:
        print(json.dumps({"message": os.path.basename(message), **show(profile, message)}), flush=True)


main(*sys.argv[1:])
