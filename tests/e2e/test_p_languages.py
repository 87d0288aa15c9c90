"""The pages below Calendar, Outlook, in other languages than English."""

from collections.abc import Callable

import polib
import pytest

from tools import walk
from tools.stack import ADMIN, Stack, eventually, paths

from .site import ANN, PATIENCE, Site

# Loading all of Odoo's terms of a language takes long.
pytestmark = pytest.mark.long

PAGES = ("account", "meeting", "conflict", "trouble", "deleted", "journal")


@pytest.mark.parametrize(("code", "file"), [("de_DE", "de"), ("zh_CN", "zh_CN")])
def test_the_pages_in_another_language(
    site: Site, at_browser: Callable[[Stack, str], walk.Person], code: str, file: str
):
    """Opens each page, looks for a translated term, and keeps what it looks like."""
    translated = polib.pofile(str(paths.ADDONS_DIR / paths.ADDON / "i18n" / f"{file}.po"))
    words = {entry.msgid: entry.msgstr for entry in translated}
    admin = site.stack.odoo.client(*ADMIN)
    lang = admin.execute("res.lang", "search", [("code", "=", code)], context={"active_test": False})
    wizard = admin.create("base.language.install", lang_ids=[(6, 0, lang)], overwrite=True)
    admin.execute("base.language.install", "lang_install", [wizard])
    (user,) = admin.execute("res.users", "search", [("login", "=", ANN)])
    admin.write("res.users", user, lang=code)
    title = walk.unique("Sprache")
    event = site.new_event(ANN, title)
    eventually(lambda: site.outlook_event(ANN, title), PATIENCE, message="it is in Outlook")
    try:
        ann = at_browser(site.stack, f"ann-{file}")
        ann.log_in(ANN, "ann")
        for page in PAGES:
            (menu,) = admin.execute(
                "ir.model.data", "search_read", [("name", "=", f"outlook_bridge_menu_{page}")], ["res_id"]
            )
            action = admin.execute("ir.ui.menu", "read", [menu["res_id"]], ["action"])[0]["action"].split(",")[1]
            ann.page.goto(f"{site.stack.odoo.url}/odoo/action-{action}")
            walk.expect(ann.page.locator(".o_list_view")).to_be_visible()
            ann.settles()
            ann.shot(page)
        walk.expect(ann.page.locator("thead")).to_contain_text(words["What Was Done"])
        ann.open_event(event)
        ann.settles()
        ann.shot("event")
        since = words["In step with Outlook since %(time)s"].split("%")[0].strip()
        walk.expect(ann.page.locator(".o_form_view")).to_contain_text(since)
    finally:
        admin.write("res.users", user, lang="en_US")
