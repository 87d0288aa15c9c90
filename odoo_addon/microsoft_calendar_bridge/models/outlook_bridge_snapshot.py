# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import hashlib
import json

import lxml.html
from lxml import etree

from odoo import api, fields, models
from odoo.tools import html_sanitize, is_html_empty

from .private_context import private

PLAIN_CONTACT = "outlook_bridge_plain_contact"
# Marks the contact block that Odoo appends to the description, to distinguish it from typed text.
CONTACT_CLASS = "o_outlook_bridge_contact"
# Each unmarked contact block contains at least one of these.
UNMARKED_SIGNS = ("mailto:", "tel:", "<strong>")

# The fields of the snapshot that a save can change.
SNAPSHOT_FIELDS = (
    "active",
    "recurrent",
    "name",
    "description",
    "location",
    "videocall_location",
    "online_meeting",
    "allday",
    "start",
    "stop",
    "start_date",
    "stop_date",
    "privacy",
    "show_as",
    "reminder_minutes",
    "organizer",
    "attendees",
    "tags",
)
NOT_IN_VERSION = ("version", "mailer", "tags", "excluded", "create_date", "write_date")


def _parse(description):
    """Parses the description into one element around its content."""
    return lxml.html.fragment_fromstring(description, create_parent="div")


def _inner(element):
    parts = [element.text or ""]
    parts += [lxml.html.tostring(child, encoding="unicode") for child in element]
    return "".join(parts)


class OutlookBridgeSnapshot(models.AbstractModel):
    """The present state of events, in the terms of the exchange."""

    _name = "outlook.bridge.snapshot"
    _description = "Outlook Bridge Snapshot"

    @api.model
    def _build(self, events, failed=None):
        """``{id: Snapshot}`` of the events that exist, read in batches. ``failed``: see
        :meth:`_kept_out_events`."""
        events = events.sudo().with_context(active_test=False).exists()
        snapshots = {event.id: self._of(event) for event in events}
        self._exclude(snapshots, self.env["outlook.bridge.rule"]._kept_out_events(events, failed))
        return snapshots

    @api.model
    def _exclude(self, snapshots, kept_out):
        for record_id in kept_out.intersection(snapshots):
            snapshots[record_id]["excluded"] = True

    @api.model
    def _of(self, event):
        snapshot = self._fields_of(event)
        snapshot["version"] = self._version_of(snapshot)
        links = self.env["outlook.bridge.native.links"]
        snapshot["stock_ids"] = links._stock_ids_of(event, event, snapshot["description"])
        snapshot["mailer"] = event.outlook_bridge_mailer or None
        snapshot["tags"] = self._tags_of(event)
        snapshot["create_date"] = fields.Datetime.to_string(event.create_date)
        snapshot["write_date"] = fields.Datetime.to_string(event.write_date)
        return snapshot

    @api.model
    def _fields_of(self, event):
        """Returns the fields from which the version is computed."""
        organizer = event.user_id
        return {
            "model": "calendar.event",
            "id": event.id,
            "link": event.outlook_bridge_link or None,
            "active": event.active,
            "was": self._was_of(event),
            "recurrent": bool(event.recurrence_id),
            "name": event.name or None,
            "description": self._description_of(event),
            "location": event.location or None,
            "videocall_location": event.videocall_location or None,
            "online_meeting": event.outlook_bridge_online_meeting,
            **self._times_of(event),
            "tz": self._tz_of(event),
            "privacy": event.privacy or None,
            "default_privacy": organizer.calendar_default_privacy or "public",
            "show_as": event.show_as,
            "reminder_minutes": self._reminders_of(event),
            "organizer": {
                "user_id": organizer.id,
                "partner_id": organizer.partner_id.id,
                "email": organizer.email or None,
                "name": organizer.name or None,
            }
            if organizer
            else None,
            "attendees": [
                {
                    "id": attendee.id,
                    "partner_id": attendee.partner_id.id,
                    "user_id": self._user_of(attendee.partner_id).id or None,
                    "email": attendee.email or None,
                    "name": attendee.partner_id.name or None,
                    "state": attendee.state or "needsAction",
                    "answered_by": attendee.outlook_bridge_answered_by or None,
                }
                for attendee in event.attendee_ids.sorted("id")
            ],
        }

    @api.model
    def _was_of(self, record):
        """Returns the identity that this record continues, unless a record with it exists on its own."""
        was = record.outlook_bridge_was
        return was if was and self._is_over(was, record) else None

    @api.model
    def _is_over(self, was, record=None):
        """Whether no record with this identity exists on its own, by the tables. ``record``
        continues it."""
        records = self.env[was["model"]].sudo().with_context(active_test=False)
        if was["model"] == "calendar.recurrence":
            return not records.search_count([("outlook_bridge_key", "=", was["key"]), ("active", "=", True)], limit=1)
        event = records.browse(was["id"]).exists()
        return not event or bool(record and event.recurrence_id == record)

    @api.model
    def _times_of(self, event):
        return {
            "allday": event.allday,
            "start": fields.Datetime.to_string(event.start) or None,
            "stop": fields.Datetime.to_string(event.stop) or None,
            "start_date": fields.Date.to_string(event.start_date) or None,
            "stop_date": fields.Date.to_string(event.stop_date) or None,
        }

    @api.model
    def _version_of(self, snapshot):
        counted = {name: value for name, value in snapshot.items() if name not in NOT_IN_VERSION}
        canonical = json.dumps(counted, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()

    @api.model
    def _reminders_of(self, event):
        return sorted(
            {alarm.duration_minutes for alarm in event.alarm_ids if alarm.alarm_type == "notification"},
        )

    @api.model
    def _tags_of(self, event):
        return sorted(tag.name for tag in event.categ_ids)

    @api.model
    def _tz_of(self, event):
        company = event.user_id.company_id or self.env.company
        # the event's own zone is computed once and ignores later changes of its series' zone
        return event.recurrence_id.event_tz or event.event_tz or event.user_id.tz or company.partner_id.tz or "UTC"

    @api.model
    def _user_of(self, partner):
        users = partner.user_ids.filtered("active")
        return users.filtered(lambda user: not user.share)[:1] or users[:1]

    # ------------------------------------------------------------
    # Odoo's contact block
    # ------------------------------------------------------------

    @api.model
    def _description_of(self, event):
        """Returns the description without the contact block that Odoo appends to a new event."""
        description = event.description
        if is_html_empty(description):
            return None
        description = str(description)
        if CONTACT_CLASS in description:
            description = self._strip_marked(description)
        elif self._may_be_unmarked(description) and self.env["outlook.bridge.work"]._is_marking():
            parts = self._split_unmarked(event, description, {})
            description = parts[0].removesuffix("<br>").strip() if parts else description
        return None if is_html_empty(description) else description

    @api.model
    def _strip_marked(self, description):
        root = _parse(description)
        for block in root.find_class(CONTACT_CLASS):
            parent, before = block.getparent(), block.getprevious()
            # the line break that Odoo puts before the block if nothing was typed between them
            if before is not None and before.tag == "br" and not (before.tail or "").strip():
                before.drop_tree()
            block.drop_tree()
            if parent is not root and parent.tag == "div" and not parent.attrib and len(root) == 1:
                # the element that Odoo puts around the description and the block
                parent.drop_tag()
        return _inner(root).strip()

    @api.model
    def _may_be_unmarked(self, description):
        return CONTACT_CLASS not in description and any(sign in description for sign in UNMARKED_SIGNS)

    @api.model
    def _mark(self, event, blocks):
        """Returns the description with its contact block marked, or None if it has no unmarked one."""
        parts = self._split_unmarked(event, str(event.description or ""), blocks)
        return f'<div>{parts[0]}<div class="{CONTACT_CLASS}">{parts[1]}</div></div>' if parts else None

    @api.model
    def _split_unmarked(self, event, description, blocks):
        """``(what precedes the block, block)`` if the description ends with the block that Odoo
        would append.

        :param blocks: cache of the blocks made before, as many events have the same people
        """
        if not self._may_be_unmarked(description):
            return None
        root = _parse(description)
        if len(root) != 1 or root[0].tag != "div" or (root.text or "").strip():
            return None
        content = _inner(root[0]).strip()
        guests = event.attendee_ids.partner_id - event.user_id.partner_id
        for lang, _name in self.env["res.lang"].get_installed():
            for first in [self.env["res.partner"], *guests]:
                people = (lang, event.user_id.id, first.id)
                if people not in blocks:
                    translated = event.with_context(lang=lang, **private(**{PLAIN_CONTACT: True}))
                    block = translated._get_contact_details_description(event.user_id, first)
                    blocks[people] = "" if is_html_empty(block) else self._canonical(block)
                block = blocks[people]
                if block and content.endswith(block):
                    return content[: -len(block)].strip(), block
        return None

    @api.model
    def _canonical(self, html):
        """Returns the content as the description field would store it."""
        field = self.env["calendar.event"]._fields["description"]
        kept = html_sanitize(
            f"<div>{html}</div>",
            sanitize_tags=field.sanitize_tags,
            sanitize_attributes=field.sanitize_attributes,
            sanitize_style=field.sanitize_style,
            sanitize_form=field.sanitize_form,
            sanitize_conditional_comments=field.sanitize_conditional_comments,
            strip_style=field.strip_style,
            strip_classes=field.strip_classes,
        )
        try:
            return _inner(_parse(str(kept))[0]).strip()
        except (etree.ParserError, IndexError):
            return str(kept)
