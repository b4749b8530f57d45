#!/usr/bin/env python3
# tests/docs/browser.py — opens every page of the documentation in Chromium without a window: each is there, quiet, and fits a phone.
#
# browser.py ROOT            exits with 77, "skipped", where there is no Chromium
# Of each page: its title and headings are those of the file; nothing was said on the console; at 390 pixels, and at 1400, nothing sticks out sideways, in
# light and in dark; text can be told from the paper. The browser is driven through its pipe, one JSON message between zero bytes.
import html
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading

GENERATOR = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "generator")
sys.path.insert(0, GENERATOR)
import pages  # noqa: E402

SKIPPED = 77
LIMIT_S = 200  # on a machine that has much else to do
BROWSERS = "chromium", "chromium-browser", "google-chrome"
WIDTHS = 390, 1400

LOOK = """(() => {
  const wide = document.documentElement.clientWidth;
  const scrolls = (e) => { for (; e; e = e.parentElement) { const s = getComputedStyle(e); if (s.overflowX !== 'visible' || s.position === 'absolute') return true; } return false; };
  const out = [...document.querySelectorAll('body *')].filter((e) => { const r = e.getBoundingClientRect(); return r.width > 0 && r.right > wide + 1 && !scrolls(e); });
  const light = (c) => { const [r, g, b] = c.match(/[\\d.]+/g).slice(0, 3).map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const style = getComputedStyle(document.body), a = light(style.color), b = light(style.backgroundColor);
  return JSON.stringify({
    title: document.title,
    headings: [...document.querySelectorAll('main h1, main h2, main h3')].map((h) => h.textContent.replace(/#$/, '')),
    scroll: document.documentElement.scrollWidth - wide,
    out: out.slice(0, 3).map((e) => e.tagName + ' ' + e.className + ' ' + e.textContent.slice(0, 60)),
    contrast: (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05),
    pictures: [...document.querySelectorAll('main svg')].map((s) => s.getBoundingClientRect().height),
    texts: [...document.querySelectorAll('main svg')].flatMap((s) => { const r = s.getBoundingClientRect();
      return [...s.querySelectorAll('text')].filter((t) => { const q = t.getBoundingClientRect(); return q.left < r.left - 1 || q.right > r.right + 1 || q.bottom > r.bottom + 1; })
        .map((t) => t.textContent); }),
  });
})()"""


class Browser:
    def __init__(self, program, profile):
        to_browser, self.out = os.pipe()
        back, from_browser = os.pipe()

        def place():  # the browser reads from 3 and writes to 4
            here, there = os.dup(to_browser), os.dup(from_browser)
            os.dup2(here, 3)
            os.dup2(there, 4)

        self.process = subprocess.Popen(
            [program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe", f"--user-data-dir={profile}"],
            close_fds=False, preexec_fn=place, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_browser)
        os.close(from_browser)
        self.back = os.fdopen(back, "rb")
        self.number, self.rest, self.events = 0, b"", []
        self.killer = threading.Timer(LIMIT_S, self.process.kill)
        self.killer.start()
        target = self.ask("Target.createTarget", None, url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", None, targetId=target, flatten=True)["sessionId"]
        for domain in "Page", "Runtime", "Log":
            self.call(domain + ".enable")

    def message(self):
        while b"\0" not in self.rest:
            more = self.back.read1(1 << 16)
            if not more:
                raise EOFError("the browser has ended")
            self.rest += more
        text, _, self.rest = self.rest.partition(b"\0")
        return json.loads(text)

    def call(self, method, **parameters):
        return self.ask(method, self.session, **parameters)

    def ask(self, method, session, **parameters):
        self.number += 1
        asked = {"id": self.number, "method": method, "params": parameters}
        if session:
            asked["sessionId"] = session
        os.write(self.out, json.dumps(asked).encode() + b"\0")
        while True:
            answer = self.message()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def open(self, path):
        """Loads the page, and gives what was said on the console meanwhile."""
        self.events.clear()
        failed = self.call("Page.navigate", url="file://" + os.path.abspath(path)).get("errorText")
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self.message())
        return [failed] if failed else []

    def said(self):
        return [json.dumps(event["params"])[:300] for event in self.events
                if event.get("method") in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")]

    def end(self):
        self.killer.cancel()
        self.process.kill()
        self.process.wait()
        self.back.close()
        os.close(self.out)


def text_of(inner):
    return html.unescape(re.sub(r"<[^>]+>", "", inner))


def wanted(page):
    """The title and headings that stand in the file."""
    with open(page, encoding="utf-8") as file:
        text = file.read()
    inner = text[text.index("<main"):text.index("</main>")]
    headings = [text_of(re.sub(r'<a class="anchor".*?</a>', "", heading)) for _, heading in re.findall(r"<h([123])[^>]*>(.*?)</h\1>", inner)]
    return text_of(re.search(r"<title>(.*?)</title>", text)[1]), headings


def complaints(browser, folder, page):
    path = os.path.join(folder, page)
    title, headings = wanted(path)
    yield from (f"{page}: {what}" for what in browser.open(path))
    for width in WIDTHS:
        scheme = "light" if width == WIDTHS[0] else "dark"
        browser.call("Emulation.setDeviceMetricsOverride", width=width, height=844, deviceScaleFactor=1, mobile=width < 600)
        browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        seen = json.loads(browser.call("Runtime.evaluate", expression=LOOK, returnByValue=True)["result"]["value"])
        at = f"{page}, {width} pixels, {scheme}"
        yield from (f"{at}: on the console: {what}" for what in browser.said())
        if seen["title"] != title:
            yield f"{at}: the title is {seen['title']!r}, and not {title!r}"
        if seen["headings"] != headings or not headings:
            yield f"{at}: the headings are {seen['headings']}, and not {headings}"
        if seen["scroll"] > 0:
            yield f"{at}: {seen['scroll']} pixels too wide"
        for what in seen["out"]:
            yield f"{at}: sticks out: {what}"
        if seen["contrast"] < 7:
            yield f"{at}: text and paper are {seen['contrast']:.1f} apart, and should be 7"
        if any(height < 50 for height in seen["pictures"]):
            yield f"{at}: a picture cannot be seen"
        for what in seen["texts"]:
            yield f"{at}: sticks out of its picture: {what}"


def main(root):
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        sys.exit(SKIPPED)
    found, count, page = [], 0, ""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        site = os.path.join(folder, "site")
        found += pages.build(root, site)
        browser = Browser(program, os.path.join(folder, "profile"))
        try:
            for inner, _, names in sorted(os.walk(site)):
                for name in sorted(names):
                    if name.endswith(".html"):
                        count += 1
                        page = os.path.relpath(os.path.join(inner, name), site)
                        found += complaints(browser, site, page)
        except EOFError:
            found.append(f"{page}: the browser has ended, with {browser.process.wait()}; -9: it was not done after {LIMIT_S} s")
        finally:
            browser.end()
    for what in found:
        print(what)
    print(f"{count} pages, {len(found)} complaints")
    sys.exit(1 if found or not count else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
