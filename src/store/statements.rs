//! Counts the statements that are sent to Postgres.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use diesel::connection::InstrumentationEvent;
use diesel_async::{AsyncConnection, AsyncPgConnection};

use crate::measures;

/// How many statements were sent; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Statements(Arc<AtomicU64>);

impl Statements {
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn of(&self, conn: &mut AsyncPgConnection) {
        let counted = self.clone();
        conn.set_instrumentation(move |event: InstrumentationEvent<'_>| {
            if let InstrumentationEvent::StartQuery { .. } = event {
                counted.0.fetch_add(1, Ordering::Relaxed);
                measures::STATEMENTS.count();
            }
        });
    }
}
