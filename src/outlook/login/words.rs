//! The text for a person whom Microsoft does not let in: what happened, and who can do something
//! about it. The AADSTS number decides (page *reference-error-codes*); for other numbers
//! Microsoft's own text is used.

use crate::words::{Sentence, say};

/// Returns the text for the refused user; `None` means Microsoft's own.
pub fn explain_to_user(message: &str) -> Option<Sentence> {
    let ask = say::ask_administrator;
    Some(match number(message)? {
        65001 => say::consent_is_gone(ask()),
        90093..=90095 | 900_941 | 650_056 => say::only_administrators_allow(ask()),
        65004 => say::login_cancelled(ask()),
        50072 | 50074 | 50076 | 50079 | 50158 => say::another_proof(),
        53000..=53011 => say::rules_for_signing_in(),
        50057 => say::account_disabled(),
        50173 | 50132 | 70043 | 700_082 | 700_084 => say::login_has_ended(),
        50105 => say::only_chosen_people(),
        _ => return None,
    })
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
        let words = |message: &str| {
            explain_to_user(message)
                .map(|said| said.to_string())
                .unwrap_or_default()
        };
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
