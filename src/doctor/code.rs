//! Everything that a check can find, with what it means and what to do about it. `docs/doctor.md`
//! has the same table; a test compares them.

use serde::Serialize;

/// How bad a result is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Ok,
    Skipped,
    Warning,
    Problem,
}

impl Status {
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Skipped => "skipped",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// Declares the checks in the order in which a wrong set-up shows, and what each can find.
macro_rules! checks {
    ($($check:ident $check_name:literal $title:literal {
        $($code:ident $name:literal $status:ident $meaning:literal $remedy:literal;)*
    })*) => {
        /// What is checked.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Check { $($check,)* }

        impl Check {
            pub const ALL: &[Self] = &[$(Self::$check,)*];

            pub fn name(self) -> &'static str {
                match self { $(Self::$check => $check_name,)* }
            }

            /// Returns its name for a person.
            pub fn title(self) -> &'static str {
                match self { $(Self::$check => $title,)* }
            }
        }

        /// What a check can find.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code { $($($code,)*)* }

        impl Code {
            pub const ALL: &[Self] = &[$($(Self::$code,)*)*];

            pub fn check(self) -> Check {
                match self { $($(Self::$code => Check::$check,)*)* }
            }

            pub fn name(self) -> &'static str {
                match self { $($(Self::$code => $name,)*)* }
            }

            pub fn status(self) -> Status {
                match self { $($(Self::$code => Status::$status,)*)* }
            }

            /// Returns what it means.
            pub fn meaning(self) -> &'static str {
                match self { $($(Self::$code => $meaning,)*)* }
            }

            /// Returns what to do next.
            pub fn remedy(self) -> &'static str {
                match self { $($(Self::$code => $remedy,)*)* }
            }
        }
    };
}

impl Serialize for Check {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

checks! {
    Settings "settings" "Settings of the service" {
        SettingsWrong "settings_wrong" Problem
            "The service does not start with these settings, and nothing else could be checked."
            "Correct the setting that is named, in the configuration file or the environment. config.default.toml describes each of them.";
    }
    Postgres "postgres" "Postgres" {
        PostgresUnreachable "postgres_unreachable" Problem
            "The service stores everything in Postgres. Without it, nothing is synced."
            "Check that Postgres runs, and the setting database_url: host, port, name, user, password, sslmode.";
        PostgresStopped "postgres_stopped" Problem
            "The private Postgres runs only while the service runs. So the service is stopped, or these are not its settings."
            "Start the service. If it runs, run this command with the service's configuration and as its user.";
        PostgresNotPermitted "postgres_not_permitted" Problem
            "The private Postgres admits only the user that the service runs as."
            "Run this command as the service's user: sudo outlook-bridge doctor.";
        PostgresOld "postgres_old" Problem
            "The service needs Postgres 13 or newer."
            "Upgrade Postgres, or let database_url lead to a newer one.";
        PostgresReadOnly "postgres_read_only" Problem
            "The service cannot store anything there."
            "Let database_url lead to the primary server.";
        ConnectionsFew "connections_few" Problem
            "Under load, the service waits for connections that Postgres does not give, and calls of Odoo fail."
            "Raise max_connections of Postgres or the limit of the role or the database, or lower the setting workers.";
    }
    Schema "schema" "Schema of the database" {
        SchemaMissing "schema_missing" Problem
            "The service has never run on this database. It may be another one than the service uses."
            "Check the setting database_url. For a new installation, start the service, which makes the schema.";
        SchemaOld "schema_old" Warning
            "The database is of an earlier version of the service. What is paired could not be checked."
            "Start the new version of the service, which updates the schema. Make a backup first.";
        SchemaNewer "schema_newer" Problem
            "A newer version of the service has used this database. This version may damage it."
            "Install the newer version again, or restore the backup from before the upgrade.";
    }
    Key "key" "Master key" {
        KeyMissing "key_missing" Problem
            "Client secrets and logins in the database cannot be read, so the service does not start."
            "Put the key file back from your backup, or set OUTLOOK_BRIDGE_MASTER_KEY.";
        KeyUnusable "key_unusable" Problem
            "The service does not start with this key."
            "Correct what is named: the form of the key (32 bytes in base64 or hex), or the owner and the mode of its file (600).";
        KeyWrong "key_wrong" Problem
            "The database was encrypted with another key. Client secrets and logins cannot be read."
            "Use the key that belongs to this database. Without it, every client secret has to be entered and every user has to log in again.";
    }
    Disk "disk" "Disk" {
        DataMissing "data_missing" Problem
            "The service keeps its data there."
            "Check the setting data_dir. For a new installation, make the folder and give it to the service's user.";
        DataForeign "data_foreign" Problem
            "Whoever owns the folder could change the service's data, so the service does not start."
            "Run this command as the user that the service runs as, or give the folder to that user.";
        DiskFull "disk_full" Problem
            "Postgres stops when the disk is full, and with it the sync."
            "Free some space, or move the data directory to a larger disk.";
        DiskLow "disk_low" Warning
            "Postgres stops when the disk is full."
            "Free some space soon.";
    }
    Certificate "certificate" "Certificate of the service" {
        CertificateWrong "certificate_wrong" Problem
            "The service does not start without it, or keeps using the former one until it expires."
            "Correct the files of the settings tls_cert (the chain) and tls_key.";
    }
    Trust "trust" "Trusted authorities" {
        TrustStoreEmpty "trust_store_empty" Problem
            "No certificate can be checked, so neither Microsoft nor Odoo can be called."
            "Install the package ca-certificates, or let SSL_CERT_FILE name a file with authorities.";
    }
    Proxy "proxy" "Proxy" {
        ProxyBroken "proxy_broken" Problem
            "Requests to Microsoft go through the proxy that the environment names, and get no answer."
            "Correct HTTPS_PROXY in the environment of the service, add Microsoft's hosts to NO_PROXY, or ask whoever runs the proxy to allow login.microsoftonline.com and graph.microsoft.com.";
    }
    Microsoft "microsoft" "Microsoft" {
        MicrosoftUnreachable "microsoft_unreachable" Problem
            "Nobody can log in, and no calendar is synced."
            "Let the machine of the service reach login.microsoftonline.com and graph.microsoft.com on port 443: check DNS, firewall and proxy.";
        MicrosoftDistrusted "microsoft_distrusted" Problem
            "The certificate is not from an authority that this machine trusts. Something in between opens the connection, or the trusted authorities are old."
            "Update the package ca-certificates. If your network inspects TLS, install its authority on the machine of the service.";
        NotMicrosoft "not_microsoft" Problem
            "A proxy, a login page of the network or a wrong address answers in Microsoft's place."
            "Check the settings graph_url and login_url, and what is between the service and Microsoft.";
    }
    Clock "clock" "Clock" {
        ClockWrong "clock_wrong" Problem
            "Signed requests between Odoo and the service are refused from five minutes on, and logins expire too early or too late."
            "Synchronize the clock of the machine that is named, with chrony or systemd-timesyncd.";
        ClockOff "clock_off" Warning
            "If two people edit an event, the wrong edit may win."
            "Synchronize the clock of the machine that is named, with chrony or systemd-timesyncd.";
    }
    Service "service" "Service" {
        NothingPaired "nothing_paired" Warning
            "There is nothing to sync yet."
            "Run 'outlook-bridge enroll', and enter the code in Odoo: Settings, Calendar, Outlook Calendar.";
        Unpaired "unpaired" Warning
            "Nothing is exchanged with this Odoo. What is linked is kept for a while, for a new pairing."
            "Pair it again, or run 'outlook-bridge forget' to erase what is kept.";
    }
    Consent "consent" "Consent at Microsoft" {
        ConsentMissing "consent_missing" Problem
            "These users could not allow the app themselves, or did not. Most organizations require an administrator's approval."
            "Let an administrator of Microsoft 365 consent once: in Odoo's settings, under Outlook Calendar, press 'Grant for everybody'; or at Microsoft, in the app registration, under API permissions, 'Grant admin consent'.";
        LoginRefused "login_refused" Warning
            "The organization's rules do not let these users log in, whatever the app is allowed to do."
            "Ask whoever administers Microsoft 365 to look up the number in the sign-in log of Entra: often the app requires assigned users, or Conditional Access blocks it.";
    }
    Redirect "redirect" "Redirect URI" {
        RedirectNotHttps "redirect_not_https" Problem
            "Microsoft accepts a redirect URI only if it begins with https:// (or leads to localhost). Nobody can log in."
            "Give Odoo an https address, and set the system parameter web.base.url to it.";
        RedirectUnregistered "redirect_unregistered" Problem
            "Microsoft refuses each login with AADSTS50011, as the app registration does not have this address."
            "Add exactly this redirect URI at Microsoft: app registration, Authentication, platform Web. Case and a slash at the end count.";
        AddressDiffers "address_differs" Warning
            "Odoo's address has changed. Logins use the former one until Odoo's next exchange, and then the new one."
            "If the new address is right, register its redirect URI at Microsoft. If not, correct web.base.url and set web.base.url.freeze to True.";
        AddressNotFrozen "address_not_frozen" Warning
            "Odoo changes web.base.url whenever an administrator logs in from another address. Then logins fail with AADSTS50011."
            "Set the system parameter web.base.url.freeze to True in Odoo: Settings, Technical, System Parameters.";
    }
    App "app" "App registration" {
        ClientMissing "client_missing" Problem
            "Nobody can log in to Outlook."
            "Enter Client ID and Client Secret in Odoo: Settings, Calendar, Outlook Calendar.";
        ClientSecretIsItsId "client_secret_is_its_id" Problem
            "The Secret ID was pasted in place of the secret: a secret's value is never of this form. Nobody can log in."
            "Make a new secret at Microsoft, and copy its Value. Microsoft shows it only once.";
        ClientSecretRefused "client_secret_refused" Problem
            "The secret is not one of this app. Nobody can log in, and logins cannot be renewed."
            "Make a new secret at Microsoft (app registration, Certificates & secrets), and enter its Value in Odoo. Nobody has to log in again.";
        ClientSecretExpired "client_secret_expired" Problem
            "The secret has expired at Microsoft. Nobody can log in, and logins cannot be renewed."
            "Make a new secret at Microsoft (app registration, Certificates & secrets), and enter its Value and its expiry in Odoo. Nobody has to log in again.";
        ClientIdRefused "client_id_refused" Problem
            "Microsoft knows no app with this id, or not in this tenant. Nobody can log in."
            "Copy the Application (client) ID from the app registration's overview page, not the Object ID. For an app of a single tenant, check the Tenant ID, too.";
        TenantMissing "tenant_missing" Problem
            "The app is registered for a single tenant, and Odoo asks for it at the address for all. Nobody can log in."
            "Enter the Directory (tenant) ID of the app registration in Odoo as Tenant ID, or let the app accept accounts in any organization.";
        TenantUnknown "tenant_unknown" Problem
            "There is no such tenant at Microsoft. Nobody can log in."
            "Copy the Directory (tenant) ID from the app registration's overview page into Odoo's Tenant ID.";
        AppRefused "app_refused" Problem
            "Microsoft refuses the app registration. Nobody can log in."
            "Look up the number in Microsoft's words. Often the app is disabled, or it is a public client without secrets.";
        AppUnclear "app_unclear" Warning
            "Whether Microsoft accepts the app's id and secret could not be found out this way."
            "If logins fail, look up the number in Microsoft's words.";
    }
    Secret "secret" "Expiry of the client secret" {
        SecretEnded "secret_ended" Problem
            "After that date nobody can log in, and logins cannot be renewed."
            "Make a new secret at Microsoft, and enter its Value and its expiry in Odoo.";
        SecretEndsSoon "secret_ends_soon" Warning
            "After that date nobody can log in, and logins cannot be renewed."
            "Make a new secret at Microsoft in time, and enter its Value and its expiry in Odoo. The old one stays valid meanwhile.";
        SecretEndUnknown "secret_end_unknown" Warning
            "Nobody is warned before the secret expires. A secret lasts two years at most."
            "Enter the date that Microsoft shows beside the secret in Odoo: Secret expires on.";
    }
    FromOdoo "from_odoo" "Calls of Odoo to the service" {
        OdooNeverCalled "odoo_never_called" Problem
            "Odoo was paired, but its scheduled job has not exchanged since. Nothing is synced."
            "Check that Odoo runs with cron threads (--max-cron-threads), and the job 'Outlook bridge: exchange with the service' in Odoo's Scheduled Actions.";
        OdooSilent "odoo_silent" Problem
            "The mailboxes rest until Odoo calls again. What is saved in Odoo is kept there."
            "Check that Odoo runs, its scheduled jobs, and that it reaches the service: Odoo's settings say why it does not.";
        ExchangeFails "exchange_fails" Problem
            "Odoo calls, but the service fails at each exchange. Nothing is lost, and nothing is synced."
            "Read the log of the service. If it says nothing that helps, report it with these lines.";
    }
    ToOdoo "to_odoo" "Calls of the service to Odoo" {
        OdooForbidden "odoo_forbidden" Problem
            "The service calls no address in a private network unless it is allowed to. Changes in Outlook wait for Odoo's scheduled job."
            "Name Odoo's network in the setting allow_odoo_on of the service, or let web.base.url be Odoo's public address.";
        OdooUnreachable "odoo_unreachable" Warning
            "Changes in Outlook wait for Odoo's scheduled job."
            "Let the service reach Odoo at web.base.url: check DNS, firewall, certificate, and whether a machine behind your router may call the public address.";
        OdooSlow "odoo_slow" Warning
            "Changes in Outlook wait for Odoo's scheduled job. All of Odoo's workers may be busy."
            "Check Odoo's load. With few workers, raise --workers: a request of the service needs a free one.";
        OdooRedirects "odoo_redirects" Warning
            "The request did not reach the add-on, as the service follows no redirect. Changes in Outlook wait for Odoo's scheduled job."
            "Set the system parameter web.base.url to the address that answers itself: https in place of http, with or without www.";
        OdooPageMissing "odoo_page_missing" Warning
            "Odoo or the proxy before it does not know the add-on's address there. Often the database is not found (dbfilter), or web.base.url is another server."
            "Check web.base.url, dbfilter, and that the proxy passes /microsoft_calendar_bridge/ on to Odoo.";
        OdooShowsPage "odoo_shows_page" Warning
            "A web page answers in the add-on's place: a login page of a proxy, the list of databases, or another program."
            "Let requests to /microsoft_calendar_bridge/ pass the proxy without a login, and check web.base.url.";
        OdooRefuses "odoo_refuses" Warning
            "The add-on there does not accept the signature: it is another or a restored database, or a clock is off by more than five minutes."
            "Check that web.base.url leads to this database, and both clocks. After a restore, pair the database again.";
        OdooIsAnother "odoo_is_another" Warning
            "web.base.url leads to another database than the one that is paired. Changes in Outlook wait for Odoo's scheduled job."
            "Check web.base.url and dbfilter. If this is a copy, it must not use the original's address.";
        OdooFails "odoo_fails" Warning
            "Odoo or the proxy before it failed at the request. Changes in Outlook wait for Odoo's scheduled job."
            "Read Odoo's log and the log of the proxy before it.";
    }
    Versions "versions" "Versions" {
        VersionsDoNotFit "versions_do_not_fit" Problem
            "Add-on and service do not understand each other. Nothing is exchanged, and nothing is lost."
            "Upgrade the older one of the two, as the message says.";
        AddonOld "addon_old" Warning
            "The add-on is of an earlier version, which cannot say how Odoo is set up. Some checks were skipped."
            "Upgrade the add-on in Odoo.";
        AddonNotUpdated "addon_not_updated" Warning
            "The files of the add-on are newer than what is installed in this database."
            "Upgrade the module Outlook Calendar Bridge in Odoo's Apps, or start Odoo with -u microsoft_calendar_bridge.";
    }
    Jobs "jobs" "Scheduled jobs of Odoo" {
        JobMissing "job_missing" Problem
            "Without its job, Odoo sends what was saved only while somebody looks at a calendar."
            "Upgrade the module Outlook Calendar Bridge in Odoo's Apps, which makes the job again.";
        JobOff "job_off" Problem
            "Odoo sends what was saved only while somebody looks at a calendar."
            "Set the job 'Outlook bridge: exchange with the service' active in Odoo's Scheduled Actions.";
        JobsStopped "jobs_stopped" Problem
            "Odoo runs no scheduled jobs, or one of them never ends."
            "Check that Odoo runs with cron threads (--max-cron-threads of at least 1) and which job is running, in Odoo's log.";
        JobsLate "jobs_late" Warning
            "Odoo's jobs start late. The service asks Odoo itself meanwhile, so changes still arrive within seconds if it can be reached."
            "Give Odoo more cron threads (--max-cron-threads), or look for a job that runs for long.";
        JobFails "job_fails" Warning
            "Odoo's job ends with an error. Odoo turns a job off after some failures."
            "Read Odoo's log for the job's error.";
    }
    Halted "halted" "Whether it is synced" {
        Quarantined "quarantined" Problem
            "Nothing is exchanged, to protect the calendars: Odoo or the service was copied or restored."
            "Pair the database again, with the code that 'outlook-bridge enroll --again' prints. Unpair it first in a copy.";
        MoveUnconfirmed "move_unconfirmed" Problem
            "The database was paired again from another address or under another name. Nothing is exchanged until that is confirmed."
            "If it is the same database, let whoever runs the service run 'outlook-bridge confirm'.";
        Paused "paused" Warning
            "Nothing is synced until somebody continues it."
            "Untick Pause Synchronization in Odoo: Settings, Calendar, Outlook Calendar.";
    }
    Notifications "notifications" "Change notifications" {
        NotifyNotHttps "notify_not_https" Warning
            "Microsoft notifies only https addresses. Mailboxes are polled instead, every one to five minutes."
            "Give Odoo an https address, or the service one of its own (setting public_url).";
        NotifyRefused "notify_refused" Warning
            "Microsoft could not reach the address for notifications. Mailboxes are polled instead, every one to five minutes."
            "Let the internet reach /microsoft_calendar_bridge/changes/ at Odoo's address (or the setting public_url), with a certificate that Microsoft trusts and without a login.";
        NotifyRelayBroken "notify_relay_broken" Warning
            "The address for notifications does not answer as Microsoft needs it. Mailboxes are polled instead, every one to five minutes."
            "Let requests to /microsoft_calendar_bridge/changes/ pass to Odoo. Odoo must find the database by the host's name (dbfilter), or have only one.";
        SubscriptionsMissing "subscriptions_missing" Warning
            "Microsoft does not announce changes of these mailboxes. They are polled instead, every one to five minutes."
            "Wait an hour, as the service asks again by itself. If it stays, read the service's log.";
    }
    Mailboxes "mailboxes" "Mailboxes" {
        MailboxesInTrouble "mailboxes_in_trouble" Problem
            "These mailboxes are not synced, or not completely."
            "Do what the reason says. The user's form in Odoo shows it, too.";
        LoginsLapsed "logins_lapsed" Warning
            "These users' calendars are not synced."
            "Ask them to press the Outlook button in their calendar and log in again.";
        RemovalsWait "removals_wait" Warning
            "Many events were deleted in Outlook. Nothing is removed from Odoo before an administrator answers, and these mailboxes are not read."
            "Press Review removals in Odoo: Settings, Calendar, Outlook Calendar.";
        MailsWait "mails_wait" Warning
            "More mails would be sent than may be without asking. They wait for approval."
            "Open the user's form in Odoo, or let the user open the calendar, and decide.";
    }
    General "general" "In general" {
        CheckFailed "check_failed" Warning
            "The check itself failed, so nothing is known about its subject."
            "Run it again. If it fails again, read the service's log.";
        CheckTimedOut "check_timed_out" Warning
            "The check took too long, so nothing is known about its subject."
            "Run it again. If it takes too long again, something on the way does not answer.";
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_name_is_used_once_and_each_code_says_what_to_do() {
        let names: BTreeSet<_> = Code::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        for code in Code::ALL {
            assert!(code.status() >= Status::Warning, "{code:?}");
            assert!(
                !code.meaning().is_empty() && !code.remedy().is_empty(),
                "{code:?}"
            );
        }
    }
}
