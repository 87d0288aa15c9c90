//! The whole simulated world: tenants, people, apps, mailboxes, mails. It can be saved and loaded.

mod changes;
mod ids;
mod log;
mod logins;
mod mailbox;
mod people;
mod permissions;
mod subscription;
mod world;

pub(crate) use ids::{random, slot_id};
pub use log::{Cause, Delivery, Logline, Mail};
pub(crate) use logins::hash;
pub use logins::{Access, Claims, Code, Logins, Refresh};
pub use mailbox::{Calendar, Logged, Mailbox, Poke, Stamp, Target};
pub(crate) use people::CONSUMERS;
pub use people::{App, Challenge, Person, Room, Tenant};
pub use permissions::{Deed, MeetingMessages, Role};
pub use subscription::{Entry, Post, Subscription, Subscriptions};
pub(crate) use world::TEAMS;
pub use world::World;
