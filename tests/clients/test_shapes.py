"""Sends the requests of Microsoft's reference, and compares the answers with the samples that it shows.

Each table describes a sample answer: each name must be there, with a value of that JSON type. The
pages are those of microsoftgraph/microsoft-graph-docs-contrib (`api/` is `api-reference/v1.0/api/`)
and of MicrosoftDocs/entra-docs (`identity-platform/` is `docs/identity-platform/`).

Not checked, though a sample shows it:

- api/user-list-events.md: the answer contains `locations`, which the request's $select does not
  name;
- api/user-post-events.md, example 3: `onlineMeeting` is spelled with a capital;
- api/subscription-post-subscriptions.md: `notificationContentType` is not in the schema of v1.0;
- api/calendar-list-calendarview.md and api/event-delta.md show no `@odata.context`, but the answers
  of other pages do.
"""

import datetime
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from tools.stack.sim import CLIENT_ID, CLIENT_SECRET

from .conftest import ANN, BEN, CARLA, REDIRECT_URI, SCOPES, Microsoft
from .tunnel import GRAPH, LOGIN
from .webhook import webhook

TEXT, FLAG, NUMBER, NULL = "text", "flag", "number", "null"
# A text with a certain format.
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
LOCAL_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}")
DAY = re.compile(r"\d{4}-\d\d-\d\d")
ETAG = re.compile(r'W/".+"')
GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

MAIL = {"name": TEXT, "address": TEXT}
PERSON = {"emailAddress": MAIL}
TIME = {"dateTime": LOCAL_TIME, "timeZone": TEXT}
ANSWER = {"response": TEXT, "time": INSTANT}
BODY = {"contentType": TEXT, "content": TEXT}
GUEST = {"type": TEXT, "status": ANSWER, "emailAddress": MAIL}
PLACE = {"displayName": TEXT, "locationType": TEXT, "uniqueIdType": TEXT}
NAMED_PLACE = PLACE | {"uniqueId": TEXT}
EVENT = {
    "@odata.context": TEXT,
    "@odata.etag": ETAG,
    "id": TEXT,
    "createdDateTime": INSTANT,
    "lastModifiedDateTime": INSTANT,
    "changeKey": TEXT,
    "categories": [],
    "originalStartTimeZone": TEXT,
    "originalEndTimeZone": TEXT,
    "iCalUId": TEXT,
    "reminderMinutesBeforeStart": NUMBER,
    "isReminderOn": FLAG,
    "hasAttachments": FLAG,
    "subject": TEXT,
    "bodyPreview": TEXT,
    "importance": TEXT,
    "sensitivity": TEXT,
    "isAllDay": FLAG,
    "isCancelled": FLAG,
    "isOrganizer": FLAG,
    "responseRequested": FLAG,
    "seriesMasterId": NULL,
    "showAs": TEXT,
    "type": TEXT,
    "webLink": TEXT,
    "onlineMeetingUrl": NULL,
    "recurrence": NULL,
    "responseStatus": ANSWER,
    "body": BODY,
    "start": TIME,
    "end": TIME,
    "location": NAMED_PLACE,
    "locations": [PLACE],
    "attendees": [GUEST],
    "organizer": PERSON,
}
# Example 1 of "Create event" is newer than the samples of the other pages.
YOUNGER = {"hideAttendees": FLAG, "isDraft": FLAG, "isOnlineMeeting": FLAG, "onlineMeetingProvider": TEXT}
SELECTED = {
    "@odata.etag": ETAG,
    "id": TEXT,
    "subject": TEXT,
    "bodyPreview": TEXT,
    "body": BODY,
    "start": TIME,
    "end": TIME,
    "location": NAMED_PLACE,
    "attendees": [GUEST],
    "organizer": PERSON,
}
VIEWED = {
    "originalStartTimeZone": TEXT,
    "originalEndTimeZone": TEXT,
    "responseStatus": ANSWER,
    "iCalUId": TEXT,
    "reminderMinutesBeforeStart": NUMBER,
    "isReminderOn": FLAG,
}
TRACKED = {
    "@odata.type": TEXT,
    "@odata.etag": ETAG,
    "id": TEXT,
    "subject": TEXT,
    "body": BODY,
    "start": TIME,
    "end": TIME,
    "attendees": [],
    "organizer": PERSON,
}
ERROR = {"error": {"code": TEXT, "message": TEXT, "innerError": {"request-id": TEXT, "date": TEXT}}}


def kind(value: Any) -> str:
    if value is None:
        return NULL
    kinds = {bool: FLAG, int: NUMBER, float: NUMBER, str: TEXT, list: "list", dict: "object"}
    return kinds[type(value)]


def differences(shape: Any, value: Any, where: str = "") -> Iterator[str]:
    """Yields what is missing or has another type. The single shape of a list is that of each item."""
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            yield f"{where}: {kind(value)}, not an object"
            return
        for name, inner in shape.items():
            if name in value:
                yield from differences(inner, value[name], f"{where}.{name}")
            else:
                yield f"{where}.{name}: missing"
    elif isinstance(shape, list):
        if not isinstance(value, list) or (shape and not value):
            yield f"{where}: {value!r}, not a list of some"
            return
        for number, item in enumerate(value):
            for inner in shape:
                yield from differences(inner, item, f"{where}[{number}]")
    elif isinstance(shape, re.Pattern):
        if not isinstance(value, str) or not shape.fullmatch(value):
            yield f"{where}: {value!r}, not {shape.pattern}"
    elif kind(value) != shape:
        yield f"{where}: {kind(value)}, not {shape}"


def test_the_comparison_itself():
    assert (
        list(differences({"a": [TIME]}, {"a": [{"dateTime": "2027-01-01T00:00:00.0000000", "timeZone": "UTC"}]})) == []
    )
    assert list(differences({"a": TEXT}, {})) == [".a: missing"]
    assert list(differences({"a": NUMBER}, {"a": True})) == [".a: flag, not number"]
    assert list(differences({"a": [TEXT]}, {"a": []})) == [".a: [], not a list of some"]
    assert list(differences([DAY], ["2027-01-01", None])) == [f"[1]: None, not {DAY.pattern}"]


@dataclass
class Wire:
    """Sends Ann's requests, written by hand."""

    token: str

    def ask(self, method: str, path: str, body: Any = None, *, status: int = 200, prefer: str = "") -> Any:
        answer = requests.request(
            method,
            path if path.startswith("https:") else f"https://{GRAPH}/v1.0{path}",
            json=body,
            headers={"Authorization": f"Bearer {self.token}"} | ({"Prefer": prefer} if prefer else {}),
            timeout=30,
        )
        assert answer.status_code == status, answer.text
        return answer.json()

    def create(self, body: dict[str, Any], path: str = "/me/events", prefer: str = "") -> dict[str, Any]:
        return self.ask("POST", path, body, status=201, prefer=prefer)


@pytest.fixture
def wire(microsoft: Microsoft) -> Wire:
    return Wire(microsoft.credential(ANN).get_token(*SCOPES).token)


def same(shape: Any, value: Any) -> None:
    found = list(differences(shape, value))
    assert not found, "\n".join(found)


PACIFIC = "Pacific Standard Time"


def lunch(**more: Any) -> dict[str, Any]:
    """Returns an event with the properties that the samples' requests have in common."""
    return {
        "subject": "Soup",
        "body": {"contentType": "HTML", "content": "Is noon fine?"},
        "start": {"dateTime": "2027-03-15T12:00:00", "timeZone": PACIFIC},
        "end": {"dateTime": "2027-03-15T14:00:00", "timeZone": PACIFIC},
        "location": {"displayName": "The Corner"},
        "attendees": [{"emailAddress": {"address": BEN, "name": "Ben"}, "type": "required"}],
    } | more


def test_create_event(wire: Wire):
    """api/calendar-post-events.md, example 1; api/user-post-events.md, example 1."""
    calendar = wire.ask("GET", "/me/calendar")["id"]
    made = wire.create(lunch(transactionId="c0a8012e-0000-4000-8000-5e0000000001"), f"/me/calendars/{calendar}/events")
    same(EVENT | YOUNGER | {"transactionId": TEXT, "onlineMeeting": NULL}, made)
    made = wire.create(lunch(), prefer=f'outlook.timezone="{PACIFIC}"')
    same(EVENT, made)
    assert made["start"] == {"dateTime": "2027-03-15T12:00:00.0000000", "timeZone": PACIFIC}


def test_create_online_meeting(wire: Wire):
    """api/calendar-post-events.md, example 2."""
    made = wire.create(lunch(isOnlineMeeting=True, onlineMeetingProvider="teamsForBusiness"))
    same(
        EVENT | YOUNGER | {"onlineMeeting": {"joinUrl": TEXT, "conferenceId": TEXT, "tollNumber": TEXT}},
        made,
    )


def test_create_event_in_several_places(wire: Wire):
    """api/user-post-events.md, example 2."""
    address = {"street": "1 Low Road", "city": "Ely", "state": "CB", "countryOrRegion": "UK", "postalCode": "CB7"}
    made = wire.create(
        lunch(
            attendees=[{"emailAddress": {"address": who}, "type": "Required"} for who in (BEN, CARLA)],
            location={"displayName": "Room 1; The Corner; Home", "locationType": "Default"},
            locations=[
                {"displayName": "Room 1"},
                {"displayName": "The Corner", "address": address, "coordinates": {"latitude": 52.4, "longitude": 0.3}},
                {"displayName": "Home"},
            ],
        ),
        prefer=f'outlook.timezone="{PACIFIC}"',
    )
    same(EVENT, made)
    assert len(made["locations"]) == 3
    where = NAMED_PLACE | {
        "address": {"street": TEXT, "city": TEXT, "state": TEXT, "countryOrRegion": TEXT, "postalCode": TEXT},
        "coordinates": {"latitude": NUMBER, "longitude": NUMBER},
    }
    same(where, made["locations"][1])


def test_create_recurring_event(wire: Wire):
    """api/user-post-events.md, example 3."""
    made = wire.create(
        lunch(
            recurrence={
                "pattern": {"type": "weekly", "interval": 1, "daysOfWeek": ["Monday"]},
                "range": {"type": "endDate", "startDate": "2027-03-15", "endDate": "2027-12-31"},
            }
        )
    )
    pattern = {
        "type": TEXT,
        "interval": NUMBER,
        "month": NUMBER,
        "dayOfMonth": NUMBER,
        "daysOfWeek": [TEXT],
        "firstDayOfWeek": TEXT,
        "index": TEXT,
    }
    extent = {
        "type": TEXT,
        "startDate": DAY,
        "endDate": DAY,
        "recurrenceTimeZone": TEXT,
        "numberOfOccurrences": NUMBER,
    }
    same(EVENT | {"recurrence": {"pattern": pattern, "range": extent}, "onlineMeeting": NULL}, made)
    assert made["recurrence"]["pattern"]["daysOfWeek"] == ["monday"]


def test_get_event(wire: Wire):
    """api/event-get.md, examples 1 and 2."""
    made = wire.create(lunch())
    links = {"calendar@odata.associationLink": TEXT, "calendar@odata.navigationLink": TEXT, "@odata.context": TEXT}
    names = "subject,body,bodyPreview,organizer,attendees,start,end,location"
    path = f"/me/events/{made['id']}?$select={names}"
    found = wire.ask("GET", f"{path},hideAttendees", prefer=f'outlook.timezone="{PACIFIC}"')
    same(SELECTED | links | {"hideAttendees": FLAG}, found)
    same(SELECTED | links | {"locations": [NAMED_PLACE]}, wire.ask("GET", f"{path},locations"))
    calendar = wire.ask("GET", found["calendar@odata.navigationLink"])
    assert calendar["id"] == wire.ask("GET", "/me/calendar")["id"]


def test_update_event(wire: Wire):
    """api/event-update.md answers with the event."""
    made = wire.create(lunch())
    same(EVENT | YOUNGER, wire.ask("PATCH", f"/me/events/{made['id']}", {"categories": ["Red category"]}))


def test_list_events(wire: Wire):
    """api/user-list-events.md; api/calendar-list-calendarview.md."""
    wire.create(lunch())
    names = "subject,body,bodyPreview,organizer,attendees,start,end,location"
    listed = wire.ask("GET", f"/me/events?$select={names}", prefer=f'outlook.timezone="{PACIFIC}"')
    same({"@odata.context": TEXT, "value": [SELECTED]}, listed)
    window = "startDateTime=2027-03-01T19:00:00-08:00&endDateTime=2027-03-30T19:00:00-08:00"
    same({"value": [VIEWED]}, wire.ask("GET", f"/me/calendar/calendarView?{window}"))


def test_list_instances(wire: Wire):
    """api/event-list-instances.md."""
    daily = {"type": "daily", "interval": 7}
    extent = {"type": "numbered", "startDate": "2027-03-15", "numberOfOccurrences": 4}
    master = wire.create(lunch(recurrence={"pattern": daily, "range": extent}))
    path = (
        f"/me/events/{master['id']}/instances?startDateTime=2027-03-08T09:00:00.0000000&endDateTime=2027-04-30T09:00:00"
    )
    path += "&$select=subject,bodyPreview,seriesMasterId,type,recurrence,start,end"
    instance = {
        "@odata.etag": ETAG,
        "id": TEXT,
        "subject": TEXT,
        "bodyPreview": TEXT,
        "seriesMasterId": TEXT,
        "type": TEXT,
        "recurrence": NULL,
        "start": TIME,
        "end": TIME,
    }
    found = wire.ask("GET", path)
    wire.ask("PATCH", f"/me/events/{found['value'][1]['id']}", {"subject": "Salad"})
    found = wire.ask("GET", path)
    same({"@odata.context": TEXT, "value": [instance]}, found)
    assert {each["type"] for each in found["value"]} == {"occurrence", "exception"}


def test_delta(wire: Wire):
    """concepts/delta-query-events.md; api/event-delta.md."""
    made = [
        wire.create(
            lunch(
                start={"dateTime": f"2027-03-{day}T12:00:00", "timeZone": "UTC"},
                end={"dateTime": f"2027-03-{day}T13:00:00", "timeZone": "UTC"},
            )
        )
        for day in (10, 11, 12, 13, 14)
    ]
    size = "odata.maxpagesize=2"
    page = wire.ask(
        "GET",
        "/me/calendarView/delta?startdatetime=2027-03-01T00:00:00Z&enddatetime=2027-03-30T00:00:00Z",
        prefer=size,
    )
    same({"@odata.context": TEXT, "@odata.nextLink": TEXT, "value": [TRACKED | VIEWED | {"transactionId": NULL}]}, page)
    assert "@odata.deltaLink" not in page
    while "@odata.nextLink" in page:
        page = wire.ask("GET", page["@odata.nextLink"], prefer=size)
        same({"@odata.context": TEXT, "value": [TRACKED] if page["value"] else []}, page)
    same({"@odata.deltaLink": TEXT}, page)
    requests.delete(
        f"https://{GRAPH}/v1.0/me/events/{made[0]['id']}",
        headers={"Authorization": f"Bearer {wire.token}"},
        timeout=30,
    ).raise_for_status()
    page = wire.ask("GET", page["@odata.deltaLink"], prefer=size)
    gone = [row for row in page["value"] if "@removed" in row]
    same([{"@odata.type": TEXT, "id": TEXT, "@removed": {"reason": TEXT}}], gone)
    assert gone[0]["id"] == made[0]["id"]


def test_list_calendars(wire: Wire):
    """api/user-list-calendars.md."""
    calendar = {
        "@odata.id": TEXT,
        "id": TEXT,
        "name": TEXT,
        "color": TEXT,
        "changeKey": TEXT,
        "canShare": FLAG,
        "canViewPrivateItems": FLAG,
        "hexColor": TEXT,
        "canEdit": FLAG,
        "allowedOnlineMeetingProviders": [TEXT],
        "defaultOnlineMeetingProvider": TEXT,
        "isTallyingResponses": FLAG,
        "isRemovable": FLAG,
        "owner": MAIL,
    }
    same({"@odata.context": TEXT, "value": [calendar]}, wire.ask("GET", "/me/calendars"))


def test_ids_and_zones(wire: Wire):
    """api/user-translateexchangeids.md; api/outlookuser-supportedtimezones.md, both examples."""
    ids = [wire.create(lunch())["id"], wire.create(lunch(subject="Bread"))["id"]]
    asked = {"inputIds": ids, "sourceIdType": "restId", "targetIdType": "restImmutableEntryId"}
    answer = wire.ask("POST", "/me/translateExchangeIds", asked)
    same({"value": [{"sourceId": TEXT, "targetId": TEXT}]}, answer)
    assert [pair["sourceId"] for pair in answer["value"]] == ids
    zones = {"@odata.context": TEXT, "value": [{"alias": TEXT, "displayName": TEXT}]}
    path = "/me/outlook/supportedTimeZones"
    same(zones, wire.ask("GET", path))
    same(zones, wire.ask("GET", f"{path}(TimeZoneStandard=microsoft.graph.timeZoneStandard'Iana')"))


def test_error(wire: Wire):
    """concepts/errors.md."""
    same(ERROR, wire.ask("GET", "/me/events?$select=colour", status=400))


def test_batch(wire: Wire):
    """concepts/json-batching.md: all kinds of answers, one part with a body, one without."""
    asked = [
        {"id": "1", "method": "GET", "url": "/me/calendars"},
        {"id": "2", "method": "GET", "url": "/users/nobody@contoso.example/calendars"},
        {
            "id": "3",
            "url": "/me/events",
            "method": "POST",
            "body": lunch(),
            "headers": {"Content-Type": "application/json"},
        },
    ]
    answer = wire.ask("POST", "/$batch", {"requests": asked})
    part = {"id": TEXT, "status": NUMBER, "headers": {"Content-Type": TEXT}}
    same({"responses": [part]}, answer)
    by_id = {each["id"]: each for each in answer["responses"]}
    assert {name: each["status"] for name, each in by_id.items()} == {"1": 200, "2": 404, "3": 201}
    same({"@odata.context": TEXT, "value": [{"id": TEXT}]}, by_id["1"]["body"])
    same(ERROR, by_id["2"]["body"])
    same({"error": {"innerError": {"client-request-id": TEXT}}}, by_id["2"]["body"])
    same(EVENT, by_id["3"]["body"])


def test_subscription_and_notification(wire: Wire):
    """api/subscription-post-subscriptions.md; concepts/change-notifications-delivery-webhooks.md."""
    with webhook() as (url, told):
        made = wire.create(
            {
                "changeType": "created",
                "notificationUrl": url,
                "resource": "me/events",
                "expirationDateTime": (datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=2)).strftime(
                    "%Y-%m-%dT%H:%M:%SZ"
                ),
                "clientState": "a secret",
                "latestSupportedTlsVersion": "v1_2",
            },
            "/subscriptions",
        )
        subscription = {
            "@odata.context": TEXT,
            "id": GUID,
            "resource": TEXT,
            "applicationId": GUID,
            "changeType": TEXT,
            "clientState": TEXT,
            "notificationUrl": TEXT,
            "expirationDateTime": INSTANT,
            "creatorId": GUID,
            "latestSupportedTlsVersion": TEXT,
        }
        same(subscription, made)
        wire.create(lunch())
        notification = {
            "id": TEXT,
            "subscriptionId": GUID,
            "subscriptionExpirationDateTime": TEXT,
            "clientState": TEXT,
            "changeType": TEXT,
            "resource": TEXT,
            "tenantId": GUID,
            "resourceData": {"@odata.type": TEXT, "@odata.id": TEXT, "@odata.etag": ETAG, "id": TEXT},
        }
        same({"value": [notification]}, told.get(timeout=60))


def test_token(microsoft: Microsoft):
    """identity-platform/v2-oauth2-auth-code-flow.md: the successful answer and the error."""
    url = requests.Request(
        "GET",
        f"https://{LOGIN}/common/oauth2/v2.0/authorize",
        params={
            "client_id": CLIENT_ID,
            "response_type": "code",
            "redirect_uri": REDIRECT_URI,
            "response_mode": "query",
            "scope": f"openid offline_access {SCOPES[1]}",
            "state": "12345",
        },
    ).prepare()
    landed = requests.utils.urlparse(microsoft.sign_in(url.url, ANN))
    returned = dict(pair.split("=", 1) for pair in landed.query.split("&"))
    same({"code": TEXT, "state": TEXT}, returned)
    form = {
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "scope": SCOPES[1],
        "code": returned["code"],
        "redirect_uri": REDIRECT_URI,
        "grant_type": "authorization_code",
    }
    first, second = (
        requests.post(f"https://{LOGIN}/common/oauth2/v2.0/token", data=form, timeout=30) for _ in range(2)
    )
    success = {
        "access_token": TEXT,
        "token_type": TEXT,
        "expires_in": NUMBER,
        "scope": TEXT,
        "refresh_token": TEXT,
        "id_token": TEXT,
    }
    same(success, first.json())
    assert second.status_code == 400
    failure = {
        "error": TEXT,
        "error_description": TEXT,
        "error_codes": [NUMBER],
        "timestamp": TEXT,
        "trace_id": GUID,
        "correlation_id": GUID,
    }
    same(failure, second.json())
