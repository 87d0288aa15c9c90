"""Looks for what keeps people with disabilities from using a page, with axe-core."""

from collections.abc import Callable

from axe_playwright_python.sync_playwright import Axe

from tools import walk

# Takes a picture, and looks at these parts of the page.
Look = Callable[..., None]
# What is ours of a page of lists: the rows, the form, the words without rows, the dialog.
PARTS = (".o_list_renderer", ".o_kanban_renderer", ".o_form_renderer", ".o_view_nocontent", ".modal-content")
# What Odoo draws there, in each of its pages.
ODOOS = (
    # the colors of help texts and of badges
    ".o_setting_right_pane > .text-muted",
    ".badge",
    # lists of choices, the button to copy, the boxes to select rows, the choice of columns
    ".o_select_menu",
    ".o-dropdown",
    ".o_clipboard_button",
    ".o_list_record_selector",
    # pictures of users, and what is said below a form
    ".o_avatar",
    ".o-mail-Chatter",
)
# Findings of these impacts are errors. Less grave ones are mostly matters of Odoo's own frame.
GRAVE = ("serious", "critical")


def findings(person: walk.Person, *include: str, exclude: tuple[str, ...] = ()) -> list[str]:
    """Returns what is wrong with the parts of the page that have these selectors. Parts that the
    page does not have now are left out; one of them must be there."""
    present = [selector for selector in include if person.page.locator(selector).count()]
    assert present, f"the page has none of {include}"
    context = {
        "include": [[selector] for selector in present],
        "exclude": [[selector] for selector in (*ODOOS, *exclude)],
    }
    found = Axe().run(person.page, context=context, options={"resultTypes": ["violations"]})
    return [
        f"{violation['id']} ({violation['impact']}): {node['target']} {node['html'][:300]}"
        for violation in found.response["violations"]
        if violation["impact"] in GRAVE
        for node in violation["nodes"]
    ]
