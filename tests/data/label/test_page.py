"""The labelling page: by requests, and by keys in a real browser."""

import asyncio
import io
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from aiohttp import ClientSession, web
from PIL import Image

from tfgenai.data.label import Items, LabelPage, LabelStore
from tfgenai.data.label.page import KEYS, keys_of
from tfgenai.data.raw import open_raw

_BROWSER = shutil.which("chromium") and shutil.which("chromedriver")


@pytest.fixture
def digits(tmp_path):
    """Twenty digits without labels, and one file that is none."""
    source = open_raw("digits")
    folder = tmp_path / "digits"
    folder.mkdir()
    examples = itertools.islice(source.read(source.chunks()[0]), 20)
    for number, example in enumerate(examples):
        name = f"{number:02d}-{example.label}.png"
        Image.fromarray(example.content[..., 0]).save(folder / name)
    (folder / "broken.png").write_bytes(b"words")
    return folder


def ask(page, requests):
    """Statuses and bodies of requests to a page, one after the other."""

    async def run():
        runner = web.AppRunner(page.application())
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        base = f"http://127.0.0.1:{runner.addresses[0][1]}"
        answers = []
        async with ClientSession() as session:
            for method, path, options in requests:
                async with session.request(method, base + path, **options) as answer:
                    answers.append((answer.status, await answer.read(), answer.headers))
        await runner.cleanup()
        return answers

    return asyncio.run(run())


@pytest.fixture
def page(digits, tmp_path):
    items = Items(open_raw(digits))
    store = LabelStore(tmp_path / "labels.sqlite", items.ids(), list("0123456789"))
    yield LabelPage(items, store, clock=lambda: 7.0)
    store.close()


def headers(page, **more):
    return {"headers": {"X-Token": page._token, **more}}


def test_items_come_one_after_the_other(page):
    first = {"labeller": "me", "id": "00-0.png", "label": "0", "seconds": 1.5}
    skip = {"labeller": "me", "id": "01-1.png", "label": None}
    answers = ask(
        page,
        [
            ("GET", "/state?labeller=me", headers(page)),
            ("POST", "/label", {"json": first, **headers(page)}),
            ("POST", "/label", {"json": skip, **headers(page)}),
            ("POST", "/undo", {"json": {"labeller": "me"}, **headers(page)}),
            ("GET", "/state?labeller=other", headers(page)),
            ("GET", "/media?id=00-0.png", headers(page)),
        ],
    )
    assert [status for status, _, _ in answers] == [200] * 6
    assert b'"id": "00-0.png", "done": 0, "total": 20' in answers[0][1]
    assert b'"id": "01-1.png", "done": 1' in answers[1][1]
    assert b'"id": "02-2.png", "done": 2' in answers[2][1]
    assert b'"id": "01-1.png", "done": 1' in answers[3][1]
    assert b'"id": "00-0.png", "done": 0' in answers[4][1]
    picture = np.asarray(Image.open(io.BytesIO(answers[5][1])))
    assert picture.shape == (280, 280)
    assert answers[5][2]["Content-Type"] == "image/png"


@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("GET", "/state?labeller=me", {}, 403),
        ("GET", "/state?labeller=me", {"headers": {"X-Token": "guess"}}, 403),
        ("GET", "/", {"headers": {"Host": "evil.example.org"}}, 403),
        ("GET", "/", {"headers": {"Host": "127.0.0.1.evil.example.org"}}, 403),
        ("GET", "/state", None, 400),
        ("GET", "/state?labeller=%00", None, 400),
        ("GET", "/media?id=../../etc/passwd", None, 400),
        ("POST", "/label", {"data": b"{"}, 400),
        ("POST", "/label", {"json": []}, 400),
        ("POST", "/label", {"json": {"labeller": "me", "id": "x", "label": "0"}}, 400),
        ("POST", "/undo", {"data": b"x" * 2**17}, 413),
        ("GET", "/state?labeller=me&token=%C3%A9", {"headers": {}}, 403),
        ("GET", "/elsewhere", None, 404),
    ],
)
def test_what_is_not_asked_by_the_page_is_refused(page, method, path, options, status):
    if options is None or "headers" not in options:
        has_token = options is None or status != 403
        options = {**(options or {}), **(headers(page) if has_token else {})}
    assert ask(page, [(method, path, options)])[0][0] == status
    assert page._store.count() == 0


def test_names_from_outside_are_no_markup(tmp_path):
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "a.txt").write_text("<script>alert(1)</script>")
    items = Items(open_raw(folder))
    with LabelStore(tmp_path / "l.sqlite", items.ids(), ["<b>x", "y"]) as store:
        page = LabelPage(items, store)
        answers = ask(
            page, [("GET", "/", {}), ("GET", "/media?id=a.txt", headers(page))]
        )
    text = answers[0][1].decode()
    assert "<b>x" not in text
    assert "&lt;b&gt;x" in text
    policy = answers[0][2]["Content-Security-Policy"]
    nonce = re.search(r"'nonce-([^']+)'", policy)[1]
    assert text.count("<script") == text.count(f'nonce="{nonce}"') == 1
    assert answers[1][2]["Content-Type"] == "text/plain; charset=utf-8"


def test_each_class_has_a_key_of_its_own():
    many = [f"class {i}" for i in range(50)]
    for classes in (list("0123456789"), ["s", "S", "sun", "sea"], many):
        keys = list(keys_of(classes).values())
        used = [key for key in keys if key]
        assert len(set(used)) == len(used) == min(len(classes), len(KEYS))
        assert "s" not in used
    assert keys_of(list("012")) == {"0": "0", "1": "1", "2": "2"}


def test_sound_is_played_as_wav(tmp_path):
    samples = np.linspace(-0.5, 0.5, 800, dtype=np.float32)
    soundfile.write(tmp_path / "a.flac", samples, 8000)
    data, kind = Items(open_raw(tmp_path)).media("a.flac")
    back, rate = soundfile.read(io.BytesIO(data))
    assert (kind, rate) == ("audio/wav", 8000)
    np.testing.assert_allclose(back, samples, atol=2**-14)


@pytest.mark.slow
def test_a_person_labels_with_keys_and_goes_on_after_a_kill(digits, tmp_path):
    if not _BROWSER:
        if os.environ.get("TFGENAI_REQUIRE_BROWSER"):
            pytest.fail("needs Chromium and ChromeDriver")
        pytest.skip("needs Chromium and ChromeDriver")
    from selenium import webdriver
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import WebDriverWait

    store = tmp_path / "labels.sqlite"
    command = [
        *(sys.executable, "-m", "tfgenai", "data", "label", str(digits)),
        *("--classes", "0,1,2,3,4,5,6,7,8,9", "--store", str(store)),
    ]
    options = webdriver.ChromeOptions()
    for flag in (
        *("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run"),
        *("disable-background-networking", "disable-component-update", "disable-sync"),
        f"user-data-dir={tmp_path / 'profile'}",
    ):
        options.add_argument(f"--{flag}")
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    browser = webdriver.Chrome(options, service)
    wait = WebDriverWait(browser, 60, 0.02)
    try:
        for start, stop in ((0, 11), (11, 20)):
            server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            try:
                address = server.stdout.readline().split()[-1]
                browser.get(address)
                name = browser.find_element(By.ID, "labeller")
                name.clear()
                name.send_keys("anna" + Keys.ENTER)
                for number in range(start, stop):
                    wait.until(lambda b, n=number: shows(b, n))
                    label = browser.find_element(By.ID, "id").text[3]
                    browser.find_element(By.TAG_NAME, "body").send_keys(label)
                done = f"{stop} of 20"
                wait.until(lambda b, d=done: b.find_element(By.ID, "count").text == d)
                if stop < 20:
                    server.send_signal(signal.SIGKILL)
                else:
                    assert "All is labelled" in browser.page_source
                    server.send_signal(signal.SIGTERM)
                    assert "20 of 20" in server.communicate()[0]
                    assert server.returncode == 0
            finally:
                server.kill()
                server.wait()
                server.stdout.close()
    finally:
        browser.quit()
    items = sorted(path.name for path in digits.glob("??-*.png"))
    with LabelStore(store, items, list("0123456789")) as opened:
        wanted = {item: {"anna": item[3]} for item in items}
        assert opened.votes() == wanted


def shows(browser, number):
    from selenium.webdriver.common.by import By

    return (
        browser.find_element(By.ID, "count").text == f"{number} of 20"
        and browser.find_element(By.ID, "id").text.startswith(f"{number:02d}-")
        and browser.find_elements(By.CSS_SELECTOR, "#item img")
    )
