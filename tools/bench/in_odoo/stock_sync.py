"""Runs some syncs of one user by Odoo's built-in sync, as its cron does. Run by `Odoo.run_script`."""

import time


def run(env, given):
    user = env["res.users"].search([("login", "=", given["login"])])
    found = []
    for _ in range(given["times"]):
        began, cpu = time.time(), time.process_time()
        user.with_user(user).sudo()._sync_microsoft_calendar()
        env.cr.commit()
        found.append({"seconds": time.time() - began, "cpu_seconds": time.process_time() - cpu})
    return found
