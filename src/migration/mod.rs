//! Adoption from and release to Odoo's built-in sync, and the comparison after a new pairing.

pub mod baseline;
pub mod moving;
