//! Decides what to write to either side. Every change of a meeting is stored under its database's
//! lock, and [`planner`] decides in the same transaction. No requests are made here.

pub mod observation;
pub mod people;
pub mod planner;
