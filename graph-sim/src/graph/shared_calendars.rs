//! The calendars that others share with a person: among the person's own, under ids of their own (page
//! *outlook-get-shared-events-calendars*).

use crate::state::{Calendar, Deed, Person, Role, World};
use sha2::{Digest, Sha256};

/// Lists the calendars that others share with a person.
pub(super) fn with(world: &World, person: &Person) -> Vec<(Calendar, Option<Role>)> {
    let owners = world.people.iter().filter_map(|owner| {
        let role = world.let_in(person, &owner.address, Deed::Read, None).ok()?;
        Some((entry(world, owner, person, role)?, Some(role)))
    });
    owners.collect()
}

/// An owner's calendar as it stands among another person's, under an id of its own.
pub(super) fn entry(world: &World, owner: &Person, person: &Person, role: Role) -> Option<Calendar> {
    let mailbox = world.mailbox(&owner.address).ok()?;
    let primary = mailbox.calendar(mailbox.primary())?;
    Some(Calendar {
        id: id_of(owner, person),
        name: owner.name.clone(),
        is_default: false,
        can_edit: role.may(Deed::Write),
        ..primary.clone()
    })
}

fn id_of(owner: &Person, person: &Person) -> String {
    use base64::Engine;
    let digest = Sha256::digest(format!("{}|{}", owner.id, person.id));
    format!(
        "AAMkAD{}",
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(digest)
    )
}

/// Finds whose calendar a path below one's own mailbox leads to, with the path that it has below the owner's.
pub(super) fn among_own(world: &World, person: &Person, path: &[String]) -> Option<(Person, Vec<String>)> {
    let [calendars, id, rest @ ..] = path else {
        return None;
    };
    let is_it = |owner: &&Person| owner.id != person.id && id_of(owner, person) == *id;
    let owner = world.people.iter().find(is_it)?;
    let rest = std::iter::once("calendar".to_owned()).chain(rest.iter().cloned());
    calendars
        .eq_ignore_ascii_case("calendars")
        .then(|| (owner.clone(), rest.collect()))
}
