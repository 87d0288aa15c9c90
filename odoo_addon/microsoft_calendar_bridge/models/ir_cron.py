# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging

import psycopg2

from odoo import api, models

from .outlook_bridge_signal import send
from .private_context import private_value

_logger = logging.getLogger(__name__)

# Set in the context while this module triggers its job.
UNHEARD = "outlook_bridge_unheard"


class IrCron(models.Model):
    _inherit = "ir.cron"

    @api.model
    def _notifydb(self):
        """Wakes the processes that run jobs. Odoo opens a connection to Postgres for this, which may
        take longer than the rest of a save. So whoever has saved an event does not wait for it."""
        wake = super()._notifydb
        if not private_value(self.env, UNHEARD):
            return wake()

        def wake_unheard():
            try:
                wake()
            except psycopg2.Error:
                _logger.warning("Odoo's jobs were not woken: they look for work once a minute", exc_info=True)
            return True

        if not send(("jobs", self.env.cr.dbname), wake_unheard, pause=0):
            wake()
