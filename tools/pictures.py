"""Makes the pictures of the documentation, in docs/pictures: `python -m tools.pictures`.

Starts a demo of its own, does what its users do in a browser, and keeps what the browser shows.
"""

import argparse
import io
import sys
from datetime import datetime, timedelta

from PIL import Image
from playwright.sync_api import FloatRect, Locator

from .demo import PEOPLE, Demo, Progress, build
from .stack import ADMIN, Stack, eventually, paths
from .walk import Person, browser, expect, next_week

FOLDER = paths.PROJECT_ROOT / "docs/pictures"
ANN = PEOPLE[0]
# Larger ones make the repository heavy.
LARGEST = 100_000
COLORS = (256, 128, 64, 32)
# What Ann has in Odoo before she connects: titles, guests, and days from Monday.
BEFORE = [
    ("Kick-off with Northwind", ("Zoe Zander", "zoe@northwind.example"), 8),
    ("Contract review", ("Yan Young", "yan@fabrikam.example"), 9),
    ("Team lunch", ("Ben Baker", "ben@contoso.example"), 10),
]


def keep(name: str, png: bytes) -> None:
    """Stores a picture with as many colors as fit into the limit."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    for colors in COLORS:
        small = io.BytesIO()
        image.quantize(colors, dither=Image.Dither.NONE).save(small, "png", optimize=True)
        if small.tell() < LARGEST:
            break
    else:
        raise SystemExit(f"{name} has {small.tell()} bytes: show less of the page")
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{name}.png").write_bytes(small.getvalue())
    print(f"==> {name}.png: {small.tell() // 1000} KB, {image.width} x {image.height}", flush=True)


def around(*shown: Locator, margin: int) -> FloatRect:
    """Returns the rectangle of the page that has all of these."""
    boxes = [box for one in shown if (box := one.bounding_box())]
    left, top = (min(box[side] for box in boxes) - margin for side in ("x", "y"))
    right = max(box["x"] + box["width"] for box in boxes) + margin
    bottom = max(box["y"] + box["height"] for box in boxes) + margin
    return {"x": max(left, 0), "y": max(top, 0), "width": right - max(left, 0), "height": bottom - max(top, 0)}


def shoot(person: Person, name: str, *shown: Locator, margin: int = 12) -> None:
    """Keeps the page, or the part of it that has all of these."""
    person.settles()
    whole = {"clip": around(*shown, margin=margin), "full_page": True} if shown else {}
    keep(name, person.page.screenshot(animations="disabled", **whole))


def make_events(stack: Stack) -> None:
    """Makes the events that wait for Ann's choice when she connects."""
    client = stack.odoo.client(ANN[1], ANN[2])
    (user,) = client.execute("res.users", "search_read", [("login", "=", ANN[1])], ["partner_id"])
    for title, (name, email), day in BEFORE:
        found = client.execute("res.partner", "search", [("email", "=", email)])
        guest = found[0] if found else client.create("res.partner", name=name, email=email)
        start = next_week(hour=13, day=day - 7)
        client.create(
            "calendar.event",
            name=title,
            start=f"{start:%Y-%m-%d %H:%M:%S}",
            stop=f"{start + timedelta(hours=1):%Y-%m-%d %H:%M:%S}",
            partner_ids=[(6, 0, [user["partner_id"][0], guest])],
        )


def walk(stack: Stack) -> None:
    make_events(stack)
    with browser() as chromium:
        ann = Person(chromium, stack, paths.PROJECT_ROOT / "build/screenshots/pictures", "ann")
        ann.page.set_viewport_size({"width": 1200, "height": 760})
        ann.log_in(ANN[1], ANN[2])
        ann.open_calendar()
        button = ann.page.locator("#microsoft_sync_pending")
        shoot(ann, "not-connected", ann.page.locator(".o_main_navbar"), button)
        button.click()
        ann.page.locator(f"button[name=account][value='{ANN[1]}']").click()
        expect(ann.page.locator("#accept")).to_be_visible()
        shoot(ann, "consent", ann.page.get_by_role("heading").first, ann.page.locator("#accept"), margin=80)
        ann.page.locator("#accept").click()
        expect(ann.page.locator(".o_calendar_view .fc")).to_be_visible()
        outlook = next(event for event in stack.sim.events(ANN[1]) if not event.get("recurrence"))
        found = "SELECT 1 FROM calendar_event WHERE name = %s AND active"
        eventually(lambda: stack.odoo.query(found, outlook["subject"]), 120, message="Outlook's events are in Odoo")
        ann.show_week(datetime.fromisoformat(outlook["start"]["dateTime"][:19]))
        ann.sees(outlook["subject"])
        waiting = ann.page.locator(".o_outlook_bridge_waiting")
        expect(waiting).to_contain_text(f"{len(BEFORE)} events")
        shoot(ann, "calendar")
        waiting.locator("button").click()
        dialog = ann.page.locator(".modal")
        expect(dialog.locator(".o_outlook_bridge_message:visible")).to_be_visible()
        dialog.locator(".o_field_widget[name=choice] label", has_text="upcoming").click()
        dialog.locator(".o_field_widget[name=guests] label", has_text="With their guests").click()
        expect(dialog.locator(".o_outlook_bridge_message:visible")).to_contain_text("invitations")
        shoot(ann, "preview", dialog.locator(".modal-content"))
        dialog.get_by_role("button", name="Decide Later").click()
        for page in ("Events", "Journal"):
            ann.page.get_by_role("banner").get_by_role("button", name="Outlook").click()
            ann.page.get_by_role("menuitem", name=page, exact=True).click()
            expect(ann.page.locator(".o_data_row").first).to_be_visible()
            shoot(ann, page.lower())
        admin = Person(chromium, stack, paths.PROJECT_ROOT / "build/screenshots/pictures", "admin")
        admin.page.set_viewport_size({"width": 1200, "height": 2100})
        admin.log_in(*ADMIN)
        shoot(admin, "settings", admin.open_settings())


def main() -> int:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    progress = Progress()
    demo = Demo(paths.PROJECT_ROOT / "build/pictures", progress)
    try:
        demo.wipe()
        build(progress)
        walk(demo.start())
    finally:
        demo.stop()
        demo.wipe()
    return 0


if __name__ == "__main__":
    sys.exit(main())
