"""The content of an invitation makes no browser load anything from outside, and Outlook keeps its
pictures."""

from collections.abc import Callable

from tools import walk
from tools.stack import Stack, eventually

from .site import ANN, Site


def test_an_invitation_asks_no_server_for_anything(site: Site, at_browser: Callable[[Stack, str], walk.Person]):
    odoo = site.stack.odoo.url
    subject = walk.unique("Pictures")
    pictures = (
        '<img src="/web/session/logout">',
        f'<img src="{odoo}/web/session/logout">',
        f'<img src="{odoo}/web/image/../session/logout?x=1">',
        '<img width="3" src="http://tracker.example/seen.gif" alt="Logo">',
        '<a href="http://tracker.example/"><img src="http://tracker.example/linked.gif"></a>',
        '<img src="cid:logo@example">',
        '<table background="http://tracker.example/table.gif"><tr><td>cell</td></tr></table>',
        '<p style="background:url(http://tracker.example/style.gif)">styled</p>',
    )
    html = f"<html><body><p>Words of the sender</p>{''.join(pictures)}</body></html>"
    site.new_outlook_event(ANN, subject, body={"contentType": "html", "content": html})
    event = site.odoo_event(subject)
    site.agrees()

    ann = at_browser(site.stack, "ann")
    ann.log_in(ANN, "ann")
    asked: list[str] = []
    ann.page.on("request", lambda request: asked.append(request.url))
    ann.open_event(event)
    # Odoo shows the description on this tab; "Notes" is another field.
    ann.page.get_by_role("tab", name="Options").click()
    walk.expect(ann.page.get_by_text("Words of the sender")).to_be_visible()
    walk.expect(ann.page.get_by_role("link", name="[image: Logo]")).to_be_visible()
    ann.settles()
    assert not [url for url in asked if "tracker.example" in url or "logout" in url]
    ann.page.reload()
    ann.page.get_by_role("tab", name="Options").click()
    walk.expect(ann.page.get_by_text("Words of the sender")).to_be_visible()

    def body() -> str:
        return site.outlook_event(ANN, subject)["body"]["content"]

    # Another property is edited in Odoo, then the description.
    client, before = site.client(ANN), body()
    client.write("calendar.event", event, location="Room 7")
    eventually(lambda: site.outlook_event(ANN, subject)["location"]["displayName"] == "Room 7", message="it is there")
    assert body() == before
    shown = client.execute("calendar.event", "read", [event], ["description"])[0]["description"]
    client.write("calendar.event", event, description=shown.replace("Words of the sender", "Ann's words"))
    eventually(lambda: "Ann's words" in body(), message="the words are there")
    for kept in (
        '<img width="3" src="http://tracker.example/seen.gif" alt="Logo">',
        'src="http://tracker.example/linked.gif"',
        'src="cid:logo@example"',
    ):
        assert kept in body(), body()
    site.agrees()
