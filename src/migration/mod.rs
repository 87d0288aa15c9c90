//! Moving from and to Odoo's own synchronization, and beginning anew after a new pairing.

pub mod baseline;
pub mod moving;
