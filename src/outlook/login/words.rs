//! The text for a person whom Microsoft does not let in: what happened, and who can do something
//! about it. The AADSTS number decides (page *reference-error-codes*); for other numbers
//! Microsoft's own text is used.

/// How an administrator of the Microsoft 365 organization is asked for consent.
const ASK_ADMINISTRATOR: &str = "An administrator of your organization's Microsoft 365 has to allow Odoo for everybody: in Odoo's settings, under Outlook \
     Calendar, \"Grant for everybody…\" leads there.";

/// Returns the text for the refused user; `None` means Microsoft's own.
pub fn explain_to_user(message: &str) -> Option<String> {
    let words = match number(message)? {
        65001 => format!(
            "Microsoft has no consent any more for Odoo to use this calendar. Log in to Outlook again and accept. {ASK_ADMINISTRATOR}"
        ),
        90093..=90095 | 900_941 | 650_056 => format!(
            "Your organization does not let its people allow apps themselves. {ASK_ADMINISTRATOR} Then log in again."
        ),
        65004 => format!(
            "The login at Microsoft was cancelled, so nothing was connected. Press the Outlook button to try again. If Microsoft \
             asked for an administrator's approval: {ASK_ADMINISTRATOR}"
        ),
        50072 | 50074 | 50076 | 50079 | 50158 => {
            "Your organization asks for another proof of who you are (such as multi-factor authentication): log in to Outlook again."
                .to_owned()
        }
        53000..=53011 => {
            "Your organization's rules for signing in (Conditional Access) do not let Odoo into your mailbox. Log in to Outlook again; \
             if it is refused there, ask whoever administers Microsoft 365."
                .to_owned()
        }
        50057 => {
            "Your Microsoft account is disabled. Ask whoever administers Microsoft 365, then log in to Outlook again.".to_owned()
        }
        50173 | 50132 | 70043 | 700_082 | 700_084 => {
            "Your login at Microsoft has ended (a changed password, a policy, or a long pause): log in to Outlook again.".to_owned()
        }
        50105 => {
            "Your organization lets only chosen people use this app, and you are none of them yet. Ask whoever administers Microsoft \
             365 to assign you to it, then log in to Outlook again."
                .to_owned()
        }
        _ => return None,
    };
    Some(words)
}

/// Whether a number says that somebody, or an administrator for everybody, has to consent.
pub fn is_about_consent(number: u32) -> bool {
    matches!(number, 65001 | 65004 | 90093..=90095 | 900_941 | 650_056)
}

/// Parses the number in `AADSTS65001: …`.
pub fn number(message: &str) -> Option<u32> {
    let (_, rest) = message.split_once("AADSTS")?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest.get(..end)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_can_do_something_is_named() {
        let words = |message: &str| explain_to_user(message).unwrap_or_default();
        for admins in [65001, 65004, 90094, 90095] {
            assert!(
                words(&format!("AADSTS{admins}: x")).contains("Grant for everybody"),
                "{admins}"
            );
        }
        assert!(words("AADSTS50076: Due to a configuration change").contains("log in to Outlook again"));
        assert!(words("AADSTS53003: Access has been blocked").contains("Conditional Access"));
        assert_eq!(explain_to_user("AADSTS99999999999999: x"), None);
        assert_eq!(explain_to_user("AADSTS: x"), None);
        assert_eq!(explain_to_user("The network is down"), None);
    }
}
