//! What a mailbox may not do for a while: send mail, or grow. The control API puts it into such a state.

use crate::error::GraphError;
use crate::state::World;

/// Carries out a request of a mailbox's owner as far as its limits let it. What would have mailed somebody, or needed room, has had no
/// effect then.
pub(crate) fn within<T>(
    world: &mut World,
    address: &str,
    (method, url): (&str, &str),
    act: impl FnOnce(&mut World) -> Result<T, GraphError>,
) -> Result<T, GraphError> {
    let Ok(mailbox) = world.mailbox(address) else {
        return act(world);
    };
    let (is_full, refused_with) = (mailbox.full, mailbox.sending_refused.clone());
    if method == "GET" {
        // A delta keeps its state in the mailbox; a backup tool was refused its first page for a full one (alcionai/corso).
        let is_delta = url.to_ascii_lowercase().contains("/delta");
        if is_full && is_delta && world.switches.full_mailbox_refuses_delta {
            return Err(full(world));
        }
        return act(world);
    }
    if !is_full && refused_with.is_empty() {
        return act(world);
    }
    let before = world.clone();
    let done = act(world)?;
    let has_mailed = world.mails.len() > before.mails.len();
    let stock = |world: &World| world.mailbox(address).map_or(0, |m| m.events.len());
    if is_full && (has_mailed || stock(world) > stock(&before)) {
        *world = before;
        return Err(full(world));
    }
    if !refused_with.is_empty() && has_mailed {
        *world = before;
        return Err(sending(&refused_with));
    }
    Ok(done)
}

fn full(world: &World) -> GraphError {
    GraphError::new(
        world.switches.full_mailbox_status,
        "ErrorQuotaExceeded",
        "The mailbox has exceeded its quota: cannot save changes made to an item to store.",
    )
}

/// Numbers are refused with 429, suspicion with 403 (as clients of `sendMail` tell).
fn sending(code: &str) -> GraphError {
    let status = if code.contains("Exceeded") { 429 } else { 403 };
    GraphError::new(
        status,
        code,
        "Cannot send mail. Follow the instructions in your Inbox to verify your account.",
    )
}
