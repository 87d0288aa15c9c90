# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import Form, tagged
from odoo.tools import SQL

from odoo.addons.microsoft_calendar_bridge import uninstall_hook
from odoo.addons.microsoft_calendar_bridge.models import outlook_bridge_native_links
from odoo.addons.microsoft_calendar_bridge.models.outlook_bridge_client import BridgeUnavailable

from .common import CODE, KEY, NEXT_KEY, POKE_KEY, SECRET, URL, BridgeCase, Refusal


@tagged("post_install", "-at_install")
class TestPairing(BridgeCase):
    def settings(self, **values):
        """Saves as the web client does: it creates the row, and executes it in another request."""
        settings = self.env["res.config.settings"].with_user(self.admin).create(values)
        self.settle()
        self.env.invalidate_all()
        settings.execute()
        self.settle()
        return settings

    def assertNowhere(self, *secrets):
        """Checks that no text column of any table contains a secret."""
        self.settle()
        self.env.cr.execute(
            """
            SELECT quote_ident(c.table_name), quote_ident(c.column_name)
              FROM information_schema.columns c
              JOIN information_schema.tables t USING (table_schema, table_name)
             WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE'
               AND c.data_type IN ('text', 'character varying', 'jsonb', 'json')
            """
        )
        for table, column in self.env.cr.fetchall():
            for secret in secrets:
                self.env.cr.execute(
                    f"SELECT count(*) FROM {table} WHERE {column}::text LIKE %s",  # pylint: disable=sql-injection
                    [f"%{secret}%"],
                )
                self.assertFalse(self.env.cr.fetchone()[0], f"{secret} in {table}.{column}")

    def test_pair_and_configure_at_once(self):
        settings = self.settings(
            outlook_bridge_url=f" {URL}/ ",
            outlook_bridge_code=CODE,
            cal_microsoft_client_id="client-id",
            cal_microsoft_client_secret=SECRET,
            cal_microsoft_sync_paused=True,
        )
        self.assertTrue(self.is_paired())
        self.assertEqual(self.params().get_param("microsoft_calendar_bridge.url"), URL)
        self.assertEqual(self.params().get_param("microsoft_calendar_client_id"), "client-id")
        [pair] = self.service.called("outlook.bridge", "pair")
        self.assertEqual(pair["key"], CODE)
        self.assertEqual(
            pair["kwargs"], {"name": self.env.cr.dbname, "base_url": "http://odoo.test", "series": "19.0"}
        )
        [values] = self.service.called("res.config.settings", "set_values")
        self.assertEqual(values["key"], KEY)
        self.assertEqual(
            values["kwargs"],
            {
                "client_id": "client-id",
                "client_secret": SECRET,
                "paused": True,
                "base_url": "http://odoo.test",
                "days_back": 0,
                "days_ahead": 0,
                "sent_back": 0,
                "created_from": "",
            },
        )
        state = self.env["outlook.bridge.state"]._get()
        self.assertEqual((self.env["outlook.bridge.fence"]._get().nonce, state.poke_key), ("n0", POKE_KEY))
        self.assertTrue(state._said()["configured"])
        self.assertFalse(settings.outlook_bridge_code or settings.cal_microsoft_client_secret)
        self.assertNowhere(SECRET, CODE)

    def test_later_change(self):
        self.pair()
        self.settings(
            outlook_bridge_url=URL,
            outlook_bridge_code=False,
            cal_microsoft_client_id=False,
            cal_microsoft_client_secret=SECRET,
            cal_microsoft_sync_paused=False,
        )
        [call] = self.service.called("res.config.settings", "set_values")
        self.assertEqual(call["kwargs"], {"client_secret": SECRET})
        self.assertNowhere(SECRET)

    def test_write_is_a_door_too(self):
        self.pair()
        settings = self.env["res.config.settings"].with_user(self.admin).create({})
        settings.write({"cal_microsoft_client_secret": SECRET})
        settings.execute()
        self.assertEqual(len(self.service.called("res.config.settings", "set_values")), 1)
        self.assertNowhere(SECRET)

    def test_nothing_changed_calls_nobody(self):
        self.pair()
        self.settings(
            outlook_bridge_url=URL,
            outlook_bridge_code=False,
            cal_microsoft_client_id=False,
            cal_microsoft_client_secret=False,
            cal_microsoft_sync_paused=False,
        )
        self.assertFalse(self.service.calls)

    def test_outage_blocks_no_other_setting(self):
        self.pair(self.ann)
        self.params().set_param("microsoft_calendar_client_id", "client-id")
        self.service.down = True
        with Form(self.env["res.config.settings"].with_user(self.admin)) as form:
            self.assertIn("does not answer", form.outlook_bridge_status)
            form.external_email_server_default = True
        form.record.execute()
        self.assertTrue(self.params().get_param("base_setup.default_external_email_server"))
        with self.assertRaises(BridgeUnavailable) as caught:
            self.settings(cal_microsoft_client_secret=SECRET)
        self.assertIn(URL, str(caught.exception))
        self.assertNowhere(SECRET)

    def test_wrong_code(self):
        with self.assertRaises(UserError) as caught, self.env.cr.savepoint():
            self.settings(outlook_bridge_url=URL, outlook_bridge_code="wrong-code", cal_microsoft_client_secret=SECRET)
        self.assertIn("not valid", str(caught.exception))
        self.registry.clear_all_caches()
        self.assertFalse(self.is_paired())
        self.assertNowhere(SECRET, "wrong-code")

    def test_wrong_addresses(self):
        for url in (
            "bridge",
            "ftp://bridge",
            "http://",
            "http://user:pw@bridge",
            "http://bridge:port",
            "http://b?x=1",
        ):
            with self.assertRaises(UserError, msg=url):
                self.settings(outlook_bridge_url=url, outlook_bridge_code=CODE)
        with self.assertRaises(UserError):
            self.settings(outlook_bridge_code=CODE)
        self.assertFalse(self.service.calls)

    def test_nothing_crosses_a_network_in_clear(self):
        plain = "http://bridge.test:8470"
        for url in (plain, "http://10.0.0.1:8470", "http://localhost.bridge.test", "http://127.0.0.1.bridge.test"):
            with self.assertRaisesRegex(UserError, "tls_cert", msg=url):
                self.settings(outlook_bridge_url=url, outlook_bridge_code=CODE)
            self.registry.clear_all_caches()
        self.assertFalse(self.service.calls)
        client = self.env["outlook.bridge.client"]
        for url in ("http://127.0.0.1:8470", "http://[::1]:8470", "http://localhost:8470", URL):
            self.assertEqual(client._clean_url(url), url)
        # an address stored before the rule existed, or not through the settings
        self.pair()
        self.params().set_param("microsoft_calendar_bridge.url", plain)
        with self.assertRaisesRegex(BridgeUnavailable, "allow_plain_http"):
            client._call("outlook.bridge", "status")
        self.assertIn("tls_cert", self.env["res.config.settings"].create({}).outlook_bridge_status)
        self.assertFalse(self.service.calls)
        self.params().set_param("microsoft_calendar_bridge.allow_plain_http", "True")
        self.assertEqual(client._clean_url(plain), plain)
        with self.assertRaisesRegex(AssertionError, plain):  # by the stand-in, at another address
            client._call("outlook.bridge", "status")

    def test_code_is_redeemed_once_although_odoo_repeats_itself(self):
        self.service.errors[("res.config.settings", "set_values")] = Refusal("odoo.exceptions.UserError", "No.")
        with self.assertRaises(UserError), self.env.cr.savepoint():
            self.settings(outlook_bridge_url=URL, outlook_bridge_code=CODE)
        self.registry.clear_all_caches()  # the end of a failed request does this
        self.assertFalse(self.is_paired(), "nothing is kept")
        self.service.errors.clear()
        self.settings(outlook_bridge_url=URL, outlook_bridge_code=CODE)
        self.assertEqual(len(self.service.called("outlook.bridge", "pair")), 1)
        self.assertTrue(self.is_paired())

    def test_pairing_again_shows_the_present_key(self):
        self.settings(outlook_bridge_url=URL, outlook_bridge_code=CODE)
        [first] = self.service.called("outlook.bridge", "pair")
        self.assertNotIn("present_key", first["kwargs"], "there is none yet")
        self.env.cr.postcommit.run()
        self.service.is_known = True
        self.settings(outlook_bridge_url=URL, outlook_bridge_code=CODE)
        [_first, again] = self.service.called("outlook.bridge", "pair")
        self.assertEqual((again["key"], again["kwargs"]["present_key"]), (CODE, KEY))
        # the key was lost: the message says what to do, and a paired database stays paired
        self.env.cr.postcommit.run()
        self.params().set_param("microsoft_calendar_bridge.key", "of-a-backup")
        with self.assertRaisesRegex(UserError, "enroll --again"), self.env.cr.savepoint():
            self.settings(outlook_bridge_url=URL, outlook_bridge_code=CODE)

    def test_another_service_is_not_told_the_key(self):
        self.pair()
        self.env.cr.postcommit.run()
        self.params().set_param("microsoft_calendar_bridge.url", "http://before.test")
        self.settings(outlook_bridge_url=URL, outlook_bridge_code=CODE)
        [pair] = self.service.called("outlook.bridge", "pair")
        self.assertNotIn("present_key", pair["kwargs"])

    def test_stock_credentials_are_handed_over(self):
        self.params().set_param("microsoft_calendar_client_id", "stock-id")
        self.params().set_param("microsoft_calendar_client_secret", SECRET)
        self.settings(outlook_bridge_url=URL, outlook_bridge_code=CODE)
        [call] = self.service.called("res.config.settings", "set_values")
        self.assertEqual((call["kwargs"]["client_id"], call["kwargs"]["client_secret"]), ("stock-id", SECRET))
        self.assertNowhere(SECRET)
        self.assertEqual(self.params().get_param("microsoft_calendar_client_id"), "stock-id")

    def test_address_without_a_code(self):
        self.settings(outlook_bridge_url=URL)
        self.assertFalse(self.service.calls)
        self.assertFalse(self.is_paired())
        self.settings(outlook_bridge_code=CODE)
        self.assertTrue(self.is_paired())
        with self.assertRaises(UserError):
            self.settings(outlook_bridge_url=False)

    def test_unpaired_is_stock(self):
        settings = self.settings(cal_microsoft_client_id="id", cal_microsoft_client_secret="stock-secret")
        self.assertEqual(self.params().get_param("microsoft_calendar_client_secret"), "stock-secret")
        self.assertEqual(settings.cal_microsoft_client_secret, "stock-secret")
        self.assertFalse(self.service.calls)
        self.assertTrue(self.env["res.users"].check_calendar_credentials()["microsoft_calendar"])

    def test_only_admins(self):
        self.pair()
        with self.assertRaises(AccessError):
            self.env["res.config.settings"].with_user(self.ann).create({"cal_microsoft_client_secret": SECRET})
        with self.assertRaises(AccessError):
            self.env["calendar.provider.config"].with_user(self.ann).create(
                {"external_calendar_provider": "microsoft", "microsoft_outlook_client_secret": SECRET}
            )
        self.assertFalse(self.service.calls)

    def test_connect_dialog(self):
        self.pair()
        wizard = (
            self.env["calendar.provider.config"]
            .with_user(self.admin)
            .create(
                {
                    "external_calendar_provider": "microsoft",
                    "microsoft_outlook_client_identifier": "client-id",
                    "microsoft_outlook_client_secret": SECRET,
                    "microsoft_outlook_sync_paused": False,
                }
            )
        )
        wizard.action_calendar_prepare_external_provider_sync()
        [call] = self.service.called("res.config.settings", "set_values")
        self.assertEqual(call["kwargs"], {"client_id": "client-id", "client_secret": SECRET})
        self.assertEqual(self.params().get_param("microsoft_calendar_client_id"), "client-id")
        wizard.write({"microsoft_outlook_client_secret": SECRET})
        self.assertNowhere(SECRET)

    def test_words(self):
        settings = self.env["res.config.settings"].with_user(self.admin).create({})
        self.assertIn("enroll", settings.outlook_bridge_status)
        self.pair(self.ann)
        self.service.set_account(self.bob, "attention", reason="The mailbox is full.")
        settings = self.env["res.config.settings"].with_user(self.admin).create({})
        self.assertIn(URL, settings.outlook_bridge_status)
        self.assertIn("1 active", settings.outlook_bridge_status)
        self.assertIn("Bob: The mailbox is full.", settings.outlook_bridge_status)
        self.assertEqual(settings.outlook_bridge_redirect_uri, "http://odoo.test/microsoft_account/authentication")
        self.service.state["quarantined"] = "This database was copied."
        settings.invalidate_recordset()
        self.assertIn("This database was copied.", settings.outlook_bridge_status)

    # the links of the built-in sync

    def stock_event(self):
        event = self.event()
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE calendar_event SET microsoft_id = 'mid', ms_universal_event_id = 'uid', need_sync_m = true"
            " WHERE id = %s",
            [event.id],
        )
        self.ann.write({"microsoft_calendar_token": "tok~en", "microsoft_calendar_rtoken": "refresh~tok"})
        self.env.invalidate_all()
        return event

    def test_pairing_and_parting_rewrite_only_what_changes(self):
        alone, linked = self.event(), self.stock_event()
        alone.description = False
        self.env.flush_all()
        self.env.cr.execute("UPDATE calendar_event SET need_sync_m = false WHERE id = %s", [alone.id])
        old = "UPDATE calendar_event SET write_date = now() AT TIME ZONE 'UTC' - interval '1 day' WHERE id = %s"
        self.env.cr.execute(old, [alone.id])

        def row(event):
            self.env.flush_all()
            return self.env.execute_query(SQL("SELECT ctid::text FROM calendar_event WHERE id = %s", event.id))

        before, before_of_linked = row(alone), row(linked)
        self.pair(self.ann)
        self.assertEqual(row(alone), before)
        self.assertNotEqual(row(linked), before_of_linked)
        self.env["outlook.bridge.pairing"]._unpair()
        self.assertEqual(row(alone), before)

    def test_stock_links_are_put_aside_and_given_back(self):
        event = self.stock_event()
        self.pair(self.ann)
        self.assertFalse(event.microsoft_id or event.ms_universal_event_id or event.need_sync_m)
        self.assertNowhere("tok~en", "refresh~tok")
        # pairing again loses nothing
        self.env["outlook.bridge.pairing"]._save(url=URL, code=CODE)
        self.work()
        self.settings()
        settings = self.env["res.config.settings"].with_user(self.admin).create({})
        settings.action_outlook_bridge_unpair()
        self.assertTrue(self.is_paired(), "the job parts")
        self.work()
        self.assertFalse(self.is_paired())
        self.assertEqual((event.microsoft_id, event.ms_universal_event_id), ("mid", "uid"))
        self.assertFalse(event.need_sync_m)
        self.assertFalse(self.env["outlook.bridge.account"].search([]))

    def test_the_key_ends_once_it_is_kept_that_it_did(self):
        self.pair(self.ann)
        self.env["outlook.bridge.pairing"]._unpair()
        self.assertFalse(self.service.called("outlook.bridge", "unpair"))
        self.env.cr.postcommit.run()
        self.assertEqual(len(self.service.called("outlook.bridge", "unpair")), 1)

    def test_unpair_without_the_service(self):
        event = self.stock_event()
        self.pair(self.ann)
        self.service.down = True
        settings = self.env["res.config.settings"].with_user(self.admin).create({})
        action = settings.action_outlook_bridge_unpair()
        self.assertEqual(action["params"]["type"], "warning")
        self.work()
        self.assertFalse(self.is_paired())
        self.assertEqual(event.microsoft_id, "mid")

    def test_stock_ids_are_told(self):
        other, event = self.event(), self.stock_event()
        self.pair(self.ann)
        told = self.snapshot(event)
        sent = told["stock_ids"].pop("description")
        self.assertEqual(told["stock_ids"], {"microsoft_id": "mid", "uid": "uid"})
        # the built-in sync also sent the contact block, which nobody typed
        self.assertIn("Organized by", sent)
        self.assertIsNone(told["description"])
        self.assertIsNone(self.snapshot(other)["stock_ids"])
        version = told["version"]
        event._outlook_bridge_note({"outlook_bridge_stock_uid": "another"})
        self.assertEqual(self.snapshot(event)["version"], version, "they say nothing about the event")

    def test_stock_ids_of_a_series(self):
        series = self.series()
        self.settle()
        self.env.cr.execute(
            "UPDATE calendar_recurrence SET microsoft_id = 'master', ms_universal_event_id = 'uid' WHERE id = %s",
            [series.id],
        )
        self.env.invalidate_all()
        self.pair(self.ann)
        told = self.document(series)["stock_ids"]
        self.assertEqual((told["microsoft_id"], told["uid"]), ("master", "uid"))

    def test_linked_meetings_of_others_are_handed_over_too(self):
        """The built-in sync also links what a guest's mailbox shows; its organizer may not be a
        user here."""
        linked, unknown = self.stock_event(), self.event(self.bob, partner_ids=self.ann.partner_id.ids)
        (linked + unknown).write({"partner_ids": [(4, self.ann.partner_id.id)], "user_id": False})
        self.env.flush_all()
        self.pair(self.ann)
        self.service.want_existing = [self.ann.id]
        self.exchange()
        told = {change["record"]["id"] for change in self.service.received.values() if change["cause"] == "existing"}
        self.assertIn(linked.id, told)
        self.assertNotIn(unknown.id, told)

    def test_what_was_made_while_paired_gets_links(self):
        self.pair(self.ann)
        made, gone, alone = self.event(), self.stock_event(), self.event()
        series = self.series()
        first = self.occurrences(series)[0]
        self.settle()

        def link(model, record, **values):
            known = {"key": None, "microsoft_id": None, "uid": None, "master_id": None, "gone": False}
            return {"model": model, "res_id": record.id, **known, **values}

        self.service.stock_links = [
            link("calendar.event", made, microsoft_id="AAMk1", uid="uid1"),
            link("calendar.event", gone, gone=True),
            link("calendar.recurrence", series, key=series.outlook_bridge_key, microsoft_id="AAMk2", uid="uid2"),
            link("calendar.event", first, microsoft_id="AAMk3", uid="uid3", master_id="AAMk2"),
        ]
        self.env["outlook.bridge.pairing"]._unpair()
        self.env.invalidate_all()
        self.assertEqual((made.microsoft_id, made.ms_universal_event_id), ("AAMk1", "uid1"))
        self.assertFalse(gone.microsoft_id or gone.ms_universal_event_id)
        self.assertEqual((series.microsoft_id, series.ms_universal_event_id), ("AAMk2", "uid2"))
        self.assertEqual((first.microsoft_id, first.microsoft_recurrence_master_id), ("AAMk3", "AAMk2"))
        everything = made + gone + alone + first
        self.assertFalse(any(everything.mapped("need_sync_m")) or series.need_sync_m)
        # the built-in sync sends what has no link and was written in the last five minutes
        just_now = fields.Datetime.subtract(fields.Datetime.now(), minutes=5)
        self.assertLess(alone.write_date, just_now)
        self.assertGreater(made.write_date, just_now)

    def test_unpair_while_microsoft_takes_too_long(self):
        self.pair(self.ann)
        made = self.event()
        self.settle()
        self.service.stock_links = [
            {
                "model": "calendar.event",
                "res_id": made.id,
                "key": None,
                "microsoft_id": "AAMk1",
                "uid": "uid1",
                "master_id": None,
                "gone": False,
            }
        ]
        # Less than no time has passed if the row was made in this second, as Odoo's clock has no parts of it.
        with patch.object(outlook_bridge_native_links, "ASK_SECONDS_AT_ONCE", -1):
            self.env["outlook.bridge.pairing"]._unpair()
        self.env.invalidate_all()
        self.assertEqual((made.microsoft_id, made.ms_universal_event_id), (False, "uid1"))

    def test_renew_key(self):
        self.pair(self.ann)
        settings = self.env["res.config.settings"].with_user(self.admin).create({})
        settings.action_outlook_bridge_renew_key()
        self.assertEqual(self.params().get_param("microsoft_calendar_bridge.key"), NEXT_KEY)
        self.exchange()
        self.assertEqual(self.service.calls[-1]["key"], NEXT_KEY)
        with self.assertRaises(AccessError):
            self.env["res.config.settings"].with_user(self.ann).action_outlook_bridge_renew_key()

    def test_uninstall(self):
        event = self.stock_event()
        self.pair(self.ann)
        uninstall_hook(self.env)
        self.assertEqual(event.microsoft_id, "mid")
        self.assertFalse(self.params().search([("key", "=like", "microsoft_calendar_bridge%")]))
