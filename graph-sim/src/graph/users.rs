//! Whose mailbox a path names: `/me`, or `/users/{id}`.

use super::caller::Caller;
use super::mailbox;
use super::{shared, shared_calendars};
use crate::call::{Answered, Call};
use crate::error::GraphError;
use crate::event_view::Prefer;
use crate::state::World;

pub(super) fn dispatch(world: &mut World, call: &Call, who: &Caller, prefer: &Prefer) -> Answered {
    world.hand_out();
    let lower: Vec<String> = call.segments.iter().map(|s| s.to_ascii_lowercase()).collect();
    let skip = match lower.first().map(String::as_str) {
        Some("me") => 1,
        Some("users") if lower.len() > 1 => {
            let asked = &call.segments[1];
            let (id, tenant) = (&who.person.id, &who.person.tenant);
            let own = asked == id
                || asked.eq_ignore_ascii_case(&who.person.address)
                // As `@odata.id` names a person.
                || asked.split_once('@') == Some((id, tenant));
            if !own {
                let other = world.person(asked).or_else(|| world.person_by_id(asked));
                let owner = other.cloned().ok_or_else(|| {
                    GraphError::new(
                        404,
                        "ErrorInvalidUser",
                        format!("The requested user '{asked}' is invalid."),
                    )
                })?;
                return shared::serve(world, call, who, prefer, &owner, &call.segments[2..]);
            }
            2
        }
        _ => return Err(call.no_route()),
    };
    if let Some((owner, rest)) = shared_calendars::among_own(world, &who.person, &call.segments[skip..]) {
        return shared::serve(world, call, who, prefer, &owner, &rest);
    }
    mailbox::serve(world, call, who, prefer, skip)
}
