"""Makes meetings as a user does or, if `quiet`, with the ORM alone and without mails. Run by
`Odoo.run_script`."""

import time
from datetime import datetime, timedelta


def run(env, given):
    user = env["res.users"].search([("login", "=", given["login"])])
    partners = env["res.partner"]
    for address in given["guests"]:
        partners |= partners.search([("email", "=", address)]) or partners.create({"name": address, "email": address})
    alarm = env["calendar.alarm"].search([("alarm_type", "=", "notification"), ("duration_minutes", "=", 15)], limit=1)
    env.cr.commit()

    start = datetime.fromisoformat(given["start"])
    lines = [(user.partner_id, "accepted"), *((partner, "needsAction") for partner in partners)]

    def values(number):
        begin = start + timedelta(days=number % given["days"], minutes=30 * (number // given["days"] % 20))
        vals = {
            "name": f"{given['subject']} {number + 1}",
            "start": begin,
            "stop": begin + timedelta(minutes=30),
            "description": given["description"],
            "location": given["location"],
            "user_id": user.id,
            "show_as": "busy",
            "partner_ids": [(6, 0, [partner.id for partner, _state in lines])],
            "alarm_ids": [(6, 0, alarm.ids)],
        }
        if given["quiet"]:
            vals["attendee_ids"] = [(0, 0, {"partner_id": partner.id, "state": state}) for partner, state in lines]
        return vals

    model = env["calendar.event"].with_user(user)
    if given["quiet"]:
        model = model.sudo().with_context(
            active_test=False,
            no_mail_to_attendees=True,
            skip_attendee_notification=True,
            skip_contact_description=True,
            mail_create_nolog=True,
        )
    # Do not measure what a process does only once.
    model.create([values(0)])
    env.cr.rollback()

    batch = given["batch"]
    began = time.time()
    for first in range(0, given["count"], batch):
        model.create([values(number) for number in range(first, min(first + batch, given["count"]))])
        flushed = time.time()
        env.flush_all()
        env.cr.commit()
    return {"seconds": time.time() - began, "committed_at": time.time(), "last_commit_seconds": time.time() - flushed}
