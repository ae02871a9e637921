"""The viewer in a real browser: what it draws, what it says, and that a click finds the object it hit."""

import colorsys
import io
import re
from collections.abc import Iterator

import gradio as gr
import numpy as np
import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as Served

from app.components import plotly_script, scene_view
from models.scene.data.scan import Scan
from models.scene.types import Anchor, Answer, Candidate
from tests.app.test_scene_view import EVIL, furnished_room, roofed
from tests.browser.patience import patient, watched

SCAN = furnished_room(0.1)
BY_LABEL = {instance.label: instance for instance in SCAN.instances}
expect.set_options(timeout=60_000)  # the machine may be busy, and draws in software
BUTTONS = ("reset", "top", "side", "closer", "further", "walls", "measure", "full", "link", "picture")


def _candidate(label: str, score: float) -> Candidate:
    found = BY_LABEL[label]
    return Candidate(found.id, label, tuple(map(float, found.box)), score, 0.0, 0.0, 0.0)


ANSWER = Answer(
    sentence="the chair at the desk",
    target="chair",
    candidates=(_candidate("chair", 0.7), _candidate("stool", 0.2), _candidate("sofa", 0.1)),
    words=(),
    anchors=(Anchor(BY_LABEL["desk"].id, "desk", 0.8),),
    cell=(2, 0),
    cells=((0.0, 0.1, 0.6), (0.1, 0.1, 0.1), (0.0, 0.0, 0.0)),
    checkpoint="none",
    seconds=0.1,
)

FINE_SCAN = furnished_room(0.06)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A page with the viewer, one button for each thing that Python can send, and what came back."""
    with gr.Blocks() as demo:
        view = scene_view.SceneView(words={"zh-CN": {"top": "俯视"}}, elem_id="view")
        told = gr.Textbox(elem_id="told")
        sends = {
            "scan": lambda: scene_view.show(scene_view.scan_payload(SCAN)),
            "cloud": lambda: scene_view.show(scene_view.scan_payload(_cloud(furnished_room(0.07)))),
            "roof": lambda: scene_view.show(scene_view.scan_payload(roofed(furnished_room(0.15)))),
            "answer": lambda: scene_view.lay_over(scene_view.overlay_payload(ANSWER)),
            "broken": lambda: scene_view.show(scene_view.scan_payload(SCAN)[:5000] + '"}]}'),
            "coarse": lambda: scene_view.show(scene_view.scan_payload(FINE_SCAN, finer="finer")),
            "none": lambda: scene_view.show(None),
        }
        for name, send in sends.items():
            gr.Button(name, elem_id=name).click(send, None, view, show_progress="hidden")

        def tell(event: gr.EventData) -> str:
            pick = scene_view.read_pick(event)
            return "not a pick" if pick is None else f"{pick.id} {pick.xyz}"

        view.pick(tell, None, told, show_progress="hidden", trigger_mode="always_last")
        clean = gr.Button("clean", elem_id="clean")
        clean.click(
            lambda: (scene_view.lay_over(scene_view.overlay_payload(None)), "clean"), None, [view, told]
        )
    app, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    app.router.routes.insert(0, Served(f"/{plotly_script.PATH}", _script))
    yield url
    demo.close()


def _script(request: Request) -> Response:
    return Response(plotly_script.script(request.query_params["name"]), media_type="text/javascript")


def _cloud(scan: Scan) -> Scan:
    none = np.zeros((0, 3), np.int32)
    return Scan("cloud", scan.vertices, scan.colours, none, scan.vertex_instance, scan.instances)


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    with patient(browser, 800, 700) as context:  # drawn in software: each pixel takes its time
        yield context


@pytest.fixture(scope="module")
def opened(context: BrowserContext, address: str) -> Iterator[Page]:
    """One page for the tests that look at the room: drawing it anew is what takes long."""
    with watched(context) as page:
        page.goto(address)
        _open(page, "scan")
        yield page


@pytest.fixture
def shown(opened: Page) -> Page:
    """The room from its start view, with nothing over it, picked or told."""
    told = opened.locator("#told textarea")
    if opened.locator(".sv").get_attribute("data-picked"):  # by the test before
        opened.locator(".sv-stage").press("Escape")
        expect(told).to_have_value("None None")
    opened.locator("#clean").click()
    expect(told).to_have_value("clean")
    opened.locator("[data-do=reset]").click()
    opened.mouse.move(2, 2)
    _settled(opened)
    return opened


def _open(page: Page, name: str) -> None:
    page.locator(f"#{name}").click()
    expect(page.locator(".sv[data-state=ready]")).to_be_visible()
    _settled(page)


def _settled(page: Page) -> None:
    """Wait until the viewer has drawn what it was told, however slow the machine is: two equal pictures."""
    before = _picture(page)
    for _ in range(20):
        page.wait_for_timeout(200)
        after = _picture(page)
        if np.array_equal(before, after):
            return
        before = after
    raise AssertionError("the picture does not come to rest")


def _picture(page: Page) -> np.ndarray:
    """(H, W, 3) uint8 of the viewer as it is on the screen."""
    png = page.locator(".sv").screenshot()
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def _at(page: Page, x: float, y: float) -> tuple[float, float]:
    box = page.locator(".sv").bounding_box()
    assert box is not None
    return box["x"] + x, box["y"] + y


def _middles(picture: np.ndarray, scan: Scan) -> dict[int, tuple[int, int]]:
    """Instance id -> a pixel well inside its patch of colour, for each object with a colour of its own."""
    pixels = picture.astype(float) / 255
    high, low = pixels.max(2), pixels.min(2)
    vivid = (high - low) > 0.35
    hue = np.array([colorsys.rgb_to_hsv(*pixel)[0] for pixel in pixels[vivid]])
    found = {}
    for instance in scan.instances:
        want, saturation, _ = colorsys.rgb_to_hsv(*(instance.colour / 255))
        if saturation < 0.5:
            continue
        mask = np.zeros(vivid.shape, bool)
        mask[vivid] = np.abs((hue - want + 0.5) % 1 - 0.5) < 0.02
        inside = mask.copy()
        for shift in range(1, 4):  # keep pixels whose neighbours have the colour as well
            for axis in (0, 1):
                inside &= np.roll(mask, shift, axis) & np.roll(mask, -shift, axis)
        rows, columns = np.nonzero(inside)
        if len(rows):
            nearest = np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2)
            found[instance.id] = (int(columns[nearest]), int(rows[nearest]))
    return found


def test_draws_the_scan(shown: Page) -> None:
    picture = _picture(shown)
    assert len(_middles(picture, SCAN)) >= 10
    assert picture[40:-40, 40:-100].std() > 20


def test_ten_clicks_of_ten_find_their_object(shown: Page) -> None:
    _click_each(shown)


def test_ten_clicks_of_ten_find_their_object_in_a_cloud(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 1100, "height": 900})  # in a smaller picture nine are seen
    page.goto(address)
    _open(page, "cloud")
    _click_each(page)


def test_a_roof_is_cut_off_and_comes_back(page: Page, address: str) -> None:
    page.goto(address)
    _open(page, "roof")
    open_to_see = _picture(page)
    assert len(_middles(open_to_see, SCAN)) == 10
    page.locator("[data-do=walls]").click()
    page.mouse.move(2, 2)
    _settled(page)
    assert len(_middles(_picture(page), SCAN)) < 5  # the roof hides them
    page.locator("[data-do=walls]").click()
    page.mouse.move(2, 2)
    _settled(page)
    assert len(_middles(_picture(page), SCAN)) == 10


def _click_each(page: Page) -> None:
    """Ten clicks: where an object is seen, there Python must get its id. Its colour says where it is seen."""
    targets = _middles(_picture(page), SCAN)
    assert len(targets) == 10
    told = page.locator("#told textarea")
    for id, (x, y) in targets.items():
        page.mouse.click(*_at(page, x, y))
        expect(told).to_have_value(_starts(id))
        assert page.locator(".sv").get_attribute("data-picked") == str(id)
        page.keyboard.press("Escape")
        expect(told).to_have_value("None None")


def _starts(id: int) -> re.Pattern[str]:
    return re.compile(rf"^{id} \(")


WORK_JS = """() => {
  const {gl, objects} = document.querySelector('.sv-plot')._fullLayout.scene._scene.glplot;
  window.work = {drawn: 0, read: 0, made: 0};
  const room = 3 * objects[0]._trace.data.i.length;
  const [draw, read, make] = [gl.drawArrays, gl.readPixels.bind(gl), objects[0].update.bind(objects[0])];
  gl.drawArrays = (mode, first, count) => { work.drawn += count === room; draw(mode, first, count); };
  gl.readPixels = (...given) => { work.read += 1; read(...given); };
  objects[0].update = given => { work.made += 1; make(given); };
}"""


def test_a_click_draws_the_room_and_neither_makes_it_anew_nor_reads_it_back(shown: Page) -> None:
    table, desk = BY_LABEL["table"], BY_LABEL["desk"]
    middles = _middles(_picture(shown), SCAN)
    told = shown.locator("#told textarea")
    shown.mouse.click(*_at(shown, *middles[table.id]))  # the first box reaches below the floor: another scale
    expect(told).to_have_value(_starts(table.id))
    _settled(shown)
    shown.evaluate(WORK_JS)
    shown.mouse.click(*_at(shown, *middles[desk.id]))
    expect(told).to_have_value(_starts(desk.id))
    _settled(shown)
    work = shown.evaluate("window.work")
    assert work["drawn"] in (1, 2) and work["read"] == work["made"] == 0
    shown.keyboard.press("Escape")
    expect(told).to_have_value("None None")


def test_the_pick_says_where(shown: Page) -> None:
    table = BY_LABEL["table"]
    shown.mouse.click(*_at(shown, *_middles(_picture(shown), SCAN)[table.id]))
    expect(shown.locator("#told textarea")).to_have_value(_starts(table.id))
    where = shown.locator("#told textarea").input_value().split("(")[1].rstrip(")")
    xyz = [float(word) for word in where.split(",")]
    assert (table.box[:3] - 0.03 <= xyz).all() and (xyz <= table.box[3:] + 0.03).all()


def test_a_drag_turns_and_does_not_pick(shown: Page) -> None:
    before = _picture(shown)
    shown.mouse.move(*_at(shown, 450, 250))
    shown.mouse.down()
    for step in range(5):
        shown.mouse.move(*_at(shown, 450 + 30 * step, 260))
    shown.mouse.up()
    _settled(shown)
    assert np.abs(before.astype(int) - _picture(shown)).mean() > 3
    assert shown.locator("#told textarea").input_value() == "clean"


def test_hover_tells_the_label_as_text(shown: Page) -> None:
    targets = _middles(_picture(shown), SCAN)
    tip = shown.locator(".sv-tip")
    shown.mouse.move(*_at(shown, *targets[BY_LABEL["bed"].id]))
    expect(tip).to_have_text("bed")
    shown.mouse.move(*_at(shown, *targets[BY_LABEL[EVIL].id]))
    expect(tip).to_have_text(EVIL)
    assert shown.evaluate("window.hacked") is None
    shown.mouse.move(*_at(shown, 5, 5))
    expect(tip).to_be_hidden()


def test_clicking_beside_the_room_clears(shown: Page) -> None:
    shown.mouse.click(*_at(shown, *_middles(_picture(shown), SCAN)[BY_LABEL["bed"].id]))
    expect(shown.locator("#told textarea")).to_have_value(_starts(BY_LABEL["bed"].id))
    shown.mouse.click(*_at(shown, 8, 8))
    expect(shown.locator("#told textarea")).to_have_value("None None")
    _settled(shown)
    assert "picked" not in (shown.locator(".sv").get_attribute("data-traces") or "")


def test_an_answer_is_laid_over(shown: Page) -> None:
    shown.locator("#answer").click()
    expect(shown.locator(".sv-winner")).to_have_text("1 · chair · 70 %")
    expect(shown.locator(".sv-anchor")).to_have_text("desk")
    expect(shown.locator(".sv-cell")).to_have_text("expected place · 60 %")
    expect(shown.locator(".sv")).to_have_attribute(
        "data-traces", "cell,grid,winner,winner object,candidates,anchors"
    )
    _settled(shown)
    pixels = _picture(shown).astype(int)
    winner = (pixels[..., 0] > 200) & (pixels[..., 1] < 110) & (pixels[..., 2] > 60) & (pixels[..., 2] < 160)
    anchor = (pixels[..., 0] < 90) & (pixels[..., 1] < 140) & (pixels[..., 2] > 190)
    assert winner.sum() > 1000 and anchor.sum() > 500
    # The winner's label stands over the chair, and choosing it is a pick like a click on the chair.
    shown.locator(".sv-winner").click()
    expect(shown.locator("#told textarea")).to_have_value(_starts(BY_LABEL["chair"].id))


def test_tools(shown: Page) -> None:
    for name in BUTTONS:
        button = shown.locator(f"[data-do={name}]")
        assert button.get_attribute("aria-label") == scene_view.WORDS[name]
    start = _picture(shown)
    for name in ("top", "closer"):
        before = _picture(shown)
        shown.locator(f"[data-do={name}]").click()
        _settled(shown)
        assert np.abs(before.astype(int) - _picture(shown)).mean() > 3
    shown.locator("[data-do=reset]").click()
    shown.mouse.move(2, 2)
    _settled(shown)
    assert np.abs(start.astype(int) - _picture(shown)).mean() < 1
    for opened, change in (("false", 3), ("true", 0)):  # the ceiling hides the room, and opens it again
        shown.locator("[data-do=walls]").click()
        shown.mouse.move(2, 2)
        _settled(shown)
        expect(shown.locator("[data-do=walls]")).to_have_attribute("aria-pressed", opened)
        assert np.abs(start.astype(int) - _picture(shown)).mean() >= change
    assert len(_middles(_picture(shown), SCAN)) == 10


def test_two_clicks_measure(shown: Page) -> None:
    shown.locator("[data-do=reset]").click()
    shown.locator("[data-do=measure]").click()
    expect(shown.locator(".sv-told")).to_have_text("Click two places.")
    middles = list(_middles(_picture(shown), SCAN).values())
    frame = shown.locator(".sv").bounding_box()
    assert frame is not None
    for x, y in middles[:2]:
        shown.mouse.click(frame["x"] + x, frame["y"] + y)
    expect(shown.locator(".sv-measure")).to_have_text(re.compile(r"\d\.\d\d m"))
    told = shown.locator("#told textarea").input_value()
    shown.locator("[data-do=measure]").click()
    expect(shown.locator(".sv-measure")).to_have_count(0)
    assert shown.locator("#told textarea").input_value() == told  # nothing was picked meanwhile


def test_a_bar_tells_the_scale_and_each_side_has_its_view(shown: Page) -> None:
    bar = shown.locator(".sv-scale")
    length, unit = bar.inner_text().split()
    assert unit == "m"
    assert float(length) > 0
    box = bar.bounding_box()
    assert box is not None and 20 < box["width"] < 130
    seen = []
    for _ in range(4):
        shown.locator("[data-do=side]").click()
        _settled(shown)
        seen.append(_picture(shown).astype(int))
    assert all(np.abs(one - other).mean() > 3 for n, one in enumerate(seen) for other in seen[n + 1 :])
    shown.locator("[data-do=full]").click()
    shown.wait_for_function("document.fullscreenElement?.matches('.sv')")
    shown.locator("[data-do=full]").click()
    shown.wait_for_function("!document.fullscreenElement")
    shown.locator("[data-do=reset]").click()


def test_saves_a_picture(shown: Page) -> None:
    shown.locator("#answer").click()
    expect(shown.locator(".sv-winner")).to_be_visible()
    with shown.expect_download() as download:
        shown.locator("[data-do=picture]").click()
    assert download.value.suggested_filename == "test_room.png"
    saved = np.asarray(Image.open(download.value.path()).convert("RGB"))
    seen = _picture(shown)
    assert abs(saved.shape[0] / saved.shape[1] - seen.shape[0] / seen.shape[1]) < 0.02
    assert len(_middles(saved, SCAN)) >= 8


def _eye(page: Page) -> np.ndarray:
    """Where the eye stands now, in Plotly's cube, and what it looks at: (2, 3)."""
    camera = page.evaluate("document.querySelector('.sv-plot')._fullLayout.scene._scene.getCamera()")
    return np.array([[camera[name][axis] for axis in "xyz"] for name in ("eye", "center")])


def test_an_answer_leaves_the_camera_where_the_visitor_turned_it(shown: Page) -> None:
    start = _eye(shown)
    shown.mouse.move(*_at(shown, 450, 250))
    shown.mouse.down()
    shown.mouse.move(*_at(shown, 560, 270), steps=5)
    shown.mouse.up()
    shown.mouse.wheel(0, -200)
    _settled(shown)
    turned = _eye(shown)
    assert np.abs(turned - start).max() > 0.1
    shown.locator("#answer").click()
    expect(shown.locator(".sv-winner")).to_be_attached()
    np.testing.assert_allclose(_eye(shown), turned, atol=0.01)


def test_two_fingers_zoom_and_one_turns(shown: Page) -> None:
    touch = shown.context.new_cdp_session(shown)

    def fingers(kind: str, *places: tuple[float, float]) -> None:
        points = [
            {"x": _at(shown, *place)[0], "y": _at(shown, *place)[1], "id": n}
            for n, place in enumerate(places)
        ]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def seen() -> tuple[float, np.ndarray]:
        eye, center = _eye(shown)
        arm = eye - center
        return float(np.linalg.norm(arm)), arm / np.linalg.norm(arm)

    distance, direction = seen()
    fingers("touchStart", (300, 300), (400, 300))
    for step in range(1, 6):
        fingers("touchMove", (300 - 20 * step, 300), (400 + 20 * step, 300))
    fingers("touchEnd")
    shown.wait_for_timeout(300)
    near, same = seen()
    assert near < 0.6 * distance
    np.testing.assert_allclose(same, direction, atol=0.05)
    fingers("touchStart", (300, 300))
    for step in range(1, 6):
        fingers("touchMove", (300 + 25 * step, 300))
    fingers("touchEnd")
    shown.wait_for_timeout(300)
    still, turned = seen()
    assert still == pytest.approx(near, rel=0.02)
    assert np.abs(turned - direction).max() > 0.2
    shown.locator("#answer").click()
    expect(shown.locator(".sv-winner")).to_be_attached()
    np.testing.assert_allclose(seen()[1], turned, atol=0.02)


def test_keys_turn_the_room(shown: Page) -> None:
    before = _picture(shown)
    shown.locator(".sv-stage").focus()
    shown.keyboard.press("ArrowLeft")
    _settled(shown)
    assert np.abs(before.astype(int) - _picture(shown)).mean() > 3


def test_a_broken_payload_is_a_sentence(shown: Page) -> None:
    shown.locator("#broken").click()
    expect(shown.locator(".sv-message")).to_have_text(scene_view.WORDS["broken"])
    expect(shown.locator(".sv-message")).to_be_visible()
    shown.locator("#none").click()
    expect(shown.locator(".sv-message")).to_have_text(scene_view.WORDS["empty"])
    _open(shown, "scan")  # and the next one is drawn
    assert len(_middles(_picture(shown), SCAN)) == 10


def test_words_change_without_the_scan(shown: Page) -> None:
    speak = (
        "lang => { document.documentElement.lang = lang; document.dispatchEvent(new Event('tl:language')); }"
    )
    shown.locator("#answer").click()
    label = shown.locator(".sv-winner")
    expect(label).to_contain_text("chair")
    shown.evaluate(speak, "zh-CN")
    expect(shown.locator("[data-do=top]")).to_have_attribute("aria-label", "俯视")
    expect(label).to_contain_text("椅子")
    expect(shown.locator(".sv[data-state=ready]")).to_be_visible()
    shown.evaluate(speak, "en")


def test_fits_a_phone(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(address)
    _open(page, "scan")
    box = page.locator(".sv").bounding_box()
    tools = page.locator(".sv-tools").bounding_box()
    assert box is not None and tools is not None
    assert box["x"] >= 0 and box["x"] + box["width"] <= 390
    assert tools["x"] >= box["x"] and tools["x"] + tools["width"] <= box["x"] + box["width"]
    assert len(_middles(_picture(page), SCAN)) >= 8


@pytest.mark.parametrize("graphics", ["a card", "software"])
def test_the_whole_mesh_comes_after_a_coarse_one_and_not_to_software(
    context: BrowserContext, address: str, graphics: str
) -> None:
    with watched(context) as page:
        page.set_viewport_size({"width": 700, "height": 600})
        if graphics == "a card":
            name = "WebGLRenderingContext.prototype.getParameter"
            page.add_init_script(
                f"const known = {name}; {name} = function (what) {{"
                " return what === 0x9246 ? 'A card' : known.call(this, what); };"
            )
        asked: list[str] = []

        def give(route: Route) -> None:
            asked.append(route.request.url)
            route.fulfill(body=scene_view.fine_payload(FINE_SCAN), content_type="application/json")

        page.route("**/finer", give)
        page.goto(address)
        _open(page, "coarse")
        view = page.locator(".sv")
        if graphics == "a card":
            expect(view).to_have_attribute("data-vertices", str(len(FINE_SCAN.vertices)))
            assert len(asked) == 1
            page.locator("#answer").click()
            expect(page.locator(".sv-label.sv-winner")).to_have_text(re.compile("chair"))
        else:
            coarse = int(view.get_attribute("data-vertices") or 0)
            assert 0 < coarse <= scene_view.COARSE < len(FINE_SCAN.vertices) and not asked
