//! Fields that people fill with mail addresses, their domains, and arbitrary bytes.

use outlook_bridge::calendar::event::Address;
use outlook_bridge::calendar::invitations::InternalDomains;
use outlook_bridge::outlook::text::make_storable;

use crate::{in_time, maybe_repeated};

pub fn check(data: &[u8]) {
    let (text, _) = maybe_repeated(data);
    let found = in_time("a field", || Address::parse_list(&text));
    for address in found.iter().chain(Address::parse(&text).as_ref()) {
        let raw = address.as_str();
        assert_eq!(Address::parse(raw).as_ref(), Some(address), "{raw:?}");
        let bad = |c: char| c.is_whitespace() || c.is_control() || "<>,;".contains(c);
        assert!(!raw.contains(bad), "{raw:?}");
        assert!(!address.domain().is_empty() && raw.ends_with(address.domain()));
        assert!(!InternalDomains::of([address]).is_outside(address));
        assert!(InternalDomains::default().is_outside(address));
    }
    let json = in_time("a document", || make_storable(data).into_owned());
    assert_eq!(make_storable(json.as_bytes()), json, "nothing is left to replace");
}
