import json
import math
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.hand import NO_DIGIT, SCRIBBLES, draw_curves, draw_digit, draw_stroke, draw_with_pen
from tests.browser.visits import Visit
from tests.servers import REPOSITORY

MODELS = ("cnn", "rnn")
ON_SCREEN_MS = 50.0
BUSY_FACTOR = 4  # of one bare question: both models at once, the wait for the question before, and a frame

# Counts from where it is run: durations of the page's own measure, from a stroke to the frame that shows its answer.
COLLECT = """() => {
  window.paces = [];
  new PerformanceObserver((list) => window.paces.push(...list.getEntries().map((entry) => entry.duration)))
    .observe({ type: "measure" });
}"""
# The median time of a bare question, with the answer read.
BARE = """async () => {
  const headers = { "content-type": "image/png" };
  const body = await new Promise((done) => document.getElementById("pad").toBlob(done, "image/png"));
  const taken = [];
  for (let turn = 0; turn < 21; turn++) {
    const began = performance.now();
    await (await fetch("../v1/digits", { method: "POST", headers, body })).json();
    taken.push(performance.now() - began);
  }
  return taken.sort((one, other) => one - other)[10];
}"""


def expect_digit(page: Page, digit: int) -> None:
    for model in MODELS:
        expect(page.locator(f".verdict.{model} .digit")).to_have_text(str(digit))


def expect_rest(page: Page) -> None:
    """The pen has rested, and what was drawn is explained: nothing is asked any more."""
    expect(page.locator("#seen canvas")).to_be_visible()
    expect(page.locator("#insight")).not_to_have_class(re.compile("stale"))


@pytest.mark.parametrize("digit", range(10))
def test_a_drawn_digit_is_read_by_both(guest: Visit, digit: int) -> None:
    draw_digit(guest.page, digit)
    expect_digit(guest.page, digit)
    for model in MODELS:
        expect(guest.page.locator(f"#bars .{model}.best")).to_have_count(1)
        expect(guest.page.locator(f"#bars li:nth-child({digit + 1}) .{model}.best")).to_be_visible()
    expect(guest.page.locator("#say")).to_contain_text(f"CNN: {digit}")


def test_probabilities_move_while_the_pen_is_down(guest: Visit) -> None:
    box = guest.page.locator("#pad").bounding_box()
    assert box is not None
    guest.page.mouse.move(box["x"] + 200, box["y"] + 60)
    guest.page.mouse.down()
    with guest.page.expect_response(lambda answer: "explain=false" in answer.url):  # before the pen has rested
        for step in range(30):
            guest.page.mouse.move(box["x"] + 200, box["y"] + 60 + 9 * step)
    expect_digit(guest.page, 1)
    guest.page.mouse.up()


def draw_again(page: Page, digit: int) -> None:
    page.locator("#clear").click()
    draw_digit(page, digit)
    expect_digit(page, digit)


def test_a_pen_writes_as_wide_as_it_is_pressed(guest: Visit) -> None:
    inks = []
    for force in (0.2, 0.9):
        guest.page.locator("#clear").click()
        draw_with_pen(guest.page, [(0.5, 0.2 + 0.03 * step) for step in range(21)], force)
        expect_digit(guest.page, 1)
        inks.append(guest.pixels("#pad")[..., 3].sum(dtype=int))
    assert inks[1] > 1.5 * inks[0]


def pace(page: Page, digits: Sequence[int]) -> float:
    """The median over the strokes of some digits, milliseconds; infinite where too few were answered to tell."""
    page.evaluate("window.paces.length = 0")
    for digit in digits:
        draw_again(page, digit)
    paces = page.evaluate("window.paces")
    return float(np.median(paces)) if len(paces) > 10 * len(digits) else math.inf


def is_in_time(page: Page) -> bool:
    limit = max(ON_SCREEN_MS, BUSY_FACTOR * page.evaluate(BARE))
    return pace(page, (3, 5, 8)) <= limit


def test_the_answer_is_on_screen_within_its_time(guest: Visit) -> None:
    """The best of three rounds, and where others keep the machine busy, a bare question tells how busy it is then."""
    guest.page.evaluate(COLLECT)
    assert any(is_in_time(guest.page) for _ in range(3))


def test_at_most_one_question_for_each_model_is_under_way(guest: Visit) -> None:
    under_way = dict.fromkeys(MODELS, 0)
    most = dict(under_way)

    def count(url: str, change: int) -> None:
        for model in MODELS:
            if f"model={model}" in url:
                under_way[model] += change
                most[model] = max(most[model], under_way[model])

    guest.page.on("request", lambda request: count(request.url, 1))
    guest.page.on("requestfinished", lambda request: count(request.url, -1))
    draw_digit(guest.page, 8)
    expect_digit(guest.page, 8)
    assert most == dict.fromkeys(MODELS, 1)


def test_what_the_model_saw_is_shown(guest: Visit) -> None:
    draw_digit(guest.page, 7)
    expect_digit(guest.page, 7)
    expect_rest(guest.page)
    image = guest.pixels("#seen canvas")[..., 0]
    assert image.shape == (28, 28)
    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    assert max(np.ptp(rows), np.ptp(columns)) + 1 == 20  # MNIST's box
    assert image.max() > 200


@pytest.mark.parametrize("scribble", SCRIBBLES)
def test_a_scribble_is_refused_by_both_in_a_sentence(guest: Visit, scribble: str) -> None:
    draw_curves(guest.page, SCRIBBLES[scribble])
    expect(guest.page.locator(".verdict.refused")).to_have_count(2)
    for model in MODELS:
        refusal = guest.page.locator(f"#duel > .sentence.{model}")
        expect(refusal).to_have_text(re.compile(rf"^{model.upper()}: This is not a digit; \d would only be a guess\.$"))
    expect(guest.page.locator("#say")).to_contain_text("RNN: This is not a digit")  # to who does not see it
    draw_again(guest.page, 3)
    expect(guest.page.locator(".verdict.refused")).to_have_count(0)
    expect(guest.page.locator("#duel > .sentence:visible")).to_have_count(0)


def test_clearing_and_undoing(guest: Visit) -> None:
    draw_digit(guest.page, 1)
    expect_digit(guest.page, 1)
    draw_stroke(guest.page, [(0.1, 0.1), (0.9, 0.9)])
    guest.page.locator("#undo").click()
    expect_digit(guest.page, 1)
    guest.page.locator("#clear").click()
    expect(guest.page.locator(".verdict.cnn .digit")).to_have_text(NO_DIGIT)
    expect(guest.page.locator("#hint")).to_be_visible()


def test_the_example_draws_what_is_read(guest: Visit) -> None:
    guest.page.locator("#example").click()
    expect(guest.page.locator(".verdict.cnn:not(.refused) .digit")).to_have_text(re.compile(r"\d"))
    expect(guest.page.locator("#seen")).to_be_visible()


def test_a_dropped_number_is_read_and_framed(guest: Visit) -> None:
    """The picture is narrower than the paper, and lies in the middle; boxes are in its own pixels."""
    guest.page.get_by_label("A number").check()
    path = REPOSITORY / "examples" / "number.png"
    with guest.page.expect_response(re.compile("v1/numbers$")) as answer:
        guest.drop(path, "image/png")
    expect(guest.page.locator("#text")).to_have_text("90210")
    paper = guest.page.locator("#pad").bounding_box()
    assert paper is not None
    with Image.open(path) as picture:
        scale = min(paper["width"] / picture.width, paper["height"] / picture.height)
        left = paper["x"] + (paper["width"] - scale * picture.width) / 2
        top = paper["y"] + (paper["height"] - scale * picture.height) / 2
    for digit, box in zip(answer.value.json()["digits"], guest.boxes(), strict=True):
        x, y, width, height = digit["box"]
        framed = [box["x"] - left, box["y"] - top, box["width"], box["height"]]
        assert framed == pytest.approx([scale * x, scale * y, scale * width, scale * height], abs=2)


@pytest.mark.parametrize(("sample", "kind", "digit"), [("seven.png", "image/png", 7), ("three.jpg", "image/jpeg", 3)])
def test_a_dropped_file_is_read(guest: Visit, sample: str, kind: str, digit: int) -> None:
    guest.drop(REPOSITORY / "examples" / sample, kind)
    expect_digit(guest.page, digit)
    expect(guest.page.locator(".curl[data-for=read]")).to_contain_text(f"@{sample}")


def test_a_pasted_picture_is_read(guest: Visit) -> None:
    data = list((REPOSITORY / "examples" / "three.jpg").read_bytes())
    guest.page.evaluate(
        """(bytes) => {
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array(bytes)], "three.jpg", { type: "image/jpeg" }));
          document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data }));
        }""",
        data,
    )
    expect_digit(guest.page, 3)


def test_an_opened_file_that_only_the_server_can_decode(guest: Visit, tmp_path: Path) -> None:
    path = tmp_path / "seven.tiff"
    Image.open(REPOSITORY / "examples" / "seven.png").convert("RGB").save(path)
    guest.page.locator("#file").set_input_files(path)
    expect_digit(guest.page, 7)
    expect(guest.page.locator("#hint")).to_contain_text("seven.tiff")


def test_the_camera_takes_a_picture(guest: Visit) -> None:
    guest.page.locator("#shoot").click()
    expect(guest.page.locator("#shoot")).to_have_text("Take picture")
    expect(guest.page.locator("#camera")).not_to_have_js_property("videoWidth", 0)
    with guest.page.expect_response(re.compile("v1/digits")) as answer:
        guest.page.locator("#shoot").click()
    assert answer.value.request.headers["content-type"] == "image/jpeg"
    assert answer.value.status == 200
    expect(guest.page.locator("#camera")).to_be_hidden()
    expect(guest.page.locator("#shoot")).to_have_text("Camera")
    expect(guest.page.locator("#say")).to_have_text(re.compile("CNN: .+ RNN: .+"))
    expect(guest.page.locator(".curl[data-for=read]")).to_contain_text("@camera.jpg")


def ask_from_a_shell(page: Page, part: str) -> Any:
    """What the line answers that the button of a part copies, in the folder of the examples."""
    if shutil.which("curl") is None:
        pytest.skip("no curl")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    button = page.locator(f".curl[data-for={part}] button")
    button.click()
    expect(button).to_have_text("Copied")
    line = page.evaluate("navigator.clipboard.readText()")
    folder = REPOSITORY / "examples"
    done = subprocess.run(["sh", "-c", line], cwd=folder, capture_output=True, timeout=30, check=True)
    return json.loads(done.stdout)


def test_the_curl_line_reads_what_is_on_screen(guest: Visit) -> None:
    draw_digit(guest.page, 5)
    expect_digit(guest.page, 5)
    expect_rest(guest.page)
    assert ask_from_a_shell(guest.page, "read")["predictions"][0]["digit"] == 5
    guest.drop(REPOSITORY / "examples" / "three.jpg", "image/jpeg")
    expect_digit(guest.page, 3)
    assert ask_from_a_shell(guest.page, "read")["predictions"][0]["digit"] == 3


def test_the_curl_line_reads_numbers(guest: Visit) -> None:
    line = guest.page.locator(".curl[data-for=read]")
    guest.page.get_by_label("A number").check()
    expect(line).to_contain_text("/v1/numbers'")
    expect(line).to_contain_text("@number.png")
    for digit, middle in ((4, 0.6), (2, 1.2)):
        draw_digit(guest.page, digit, middle=middle, size=0.5)
    expect(guest.page.locator("#text")).to_have_text("42")
    assert ask_from_a_shell(guest.page, "read")["text"] == "42"


def test_the_curl_line_asks_the_gate(guest: Visit) -> None:
    guest.page.locator("#b").click()
    expect(guest.page.locator("#lamp b")).to_have_text("1")
    assert ask_from_a_shell(guest.page, "gates")["outputs"][0]["output"] == 1
