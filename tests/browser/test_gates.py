import re

import numpy as np
import pytest
from playwright.sync_api import expect

from models.repository import Repository
from tests.browser.visits import Visit
from tests.servers import REPOSITORY

TRUTH = {"and": "0001", "or": "0111", "nand": "1110", "nor": "1000", "xor": "0110", "xnor": "1001"}


@pytest.mark.parametrize("gate", TRUTH)
def test_switches_go_through_the_truth_table(guest: Visit, gate: str) -> None:
    page = guest.page
    page.get_by_role("radio", name=gate.upper(), exact=True).check()
    expect(page.locator(".curl[data-for=gates]")).to_contain_text(f"/v1/gates/{gate}")
    for row, (switch, inputs) in enumerate([(None, "0,0"), ("#b", "0,1"), ("#a", "1,1"), ("#b", "1,0")]):
        if switch:
            page.locator(switch).click()
        here = page.locator("#truth .here")
        expect(here).to_have_count(1)
        expect(here).to_have_attribute("data-inputs", inputs)
        output = TRUTH[gate][[0, 1, 3, 2][row]]
        expect(page.locator("#lamp b")).to_have_text(output)
        expect(here.locator("td").nth(2)).to_have_text(output)


def test_the_drawing_tells_the_sum(guest: Visit) -> None:
    guest.page.get_by_role("radio", name="AND", exact=True).check()
    expect(guest.page.locator("#wiring line")).to_have_count(2)
    expect(guest.page.locator("#sum")).to_have_text(re.compile(r"^0 .+ = .+stays silent\.$"))
    guest.page.locator("#a").click()
    guest.page.locator("#b").click()
    expect(guest.page.locator("#sum")).to_have_text(re.compile(r"^1 .+fires\.$"))
    guest.page.get_by_role("radio", name="XOR", exact=True).check()
    expect(guest.page.locator("#wiring line")).to_have_count(24)


def strengths(guest: Visit) -> np.ndarray:
    """How strong the colour of the plot is, 0 to 255: int[41, 41]."""
    return guest.pixels("#surface")[..., 3].astype(int)


def test_the_surface_is_up_where_b_is(guest: Visit) -> None:
    """AND fires at the top right alone; the plot goes from -0.5 to 1.5 in 41 pixels."""
    guest.page.get_by_role("radio", name="AND", exact=True).check()
    expect(guest.page.locator("#surface")).to_have_attribute("aria-label", re.compile("AND.*A 1 and B 1$"))
    strength = strengths(guest)
    assert strength[0, 40] == 255
    assert max(strength[40, 40], strength[0, 0], strength[40, 0]) <= 2


def test_the_surface_of_xor_is_up_on_one_diagonal(guest: Visit) -> None:
    guest.page.get_by_role("radio", name="XOR", exact=True).check()
    expect(guest.page.locator("#surface")).to_have_attribute("aria-label", re.compile("A 0 and B 1; A 1 and B 0$"))
    strength = strengths(guest)[[10, 10, 30, 30], [10, 30, 10, 30]]  # the corners, B upwards
    assert strength[[0, 3]].min() > 250
    assert strength[[1, 2]].max() < 5


def test_models_are_listed_with_accuracy(guest: Visit) -> None:
    rows = guest.page.locator("#listing tbody tr")
    expect(rows.filter(has_text=re.compile(r"^(cnn|rnn)/"))).to_have_count(2)
    expect(rows.filter(has_text="cnn/")).to_contain_text("of 10,000")
    expect(rows.filter(has_text="line/")).to_contain_text("of 2,000 lines")
    expect(rows.filter(has_text="ready")).to_have_count(len(Repository(REPOSITORY / "models" / "published").names()))
