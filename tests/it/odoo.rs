//! A model of the add-on's side of the exchange: records, an outbox, versions, and results to be
//! sent.

mod apply;
mod database;
mod exchange;
mod people;
mod records;
mod series;
mod series_apply;
mod sign_in;

pub use database::Odoo;
pub use sign_in::next_second;
