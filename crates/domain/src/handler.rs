//! Handlers: what is done with the rows of a biz type, defined by files and not by code.
//!
//! Owns the definition ([`HandlerDef`]), its reading from TOML and the [`HandlerCatalog`] of all of
//! them. Promises that a definition in hand is whole: its lanes are topics and nobody else's, the
//! dataset and the columns that it writes exist, the host that it calls is one that it may call; a
//! wrong file is refused with its name, the line and the reason. Proven by `tests/it/handler.rs`.

mod catalog;
mod def;
mod duration;
mod http;
mod levels;
mod notify;
mod parse;
mod range;
mod raw;

pub use catalog::HandlerCatalog;
pub use def::{HandlerDef, HandlerKind, HttpSpec, HttpTarget, Levels, RowsSpec, URGENT_FROM};
pub use notify::{EmailSpec, NotifySpec};
pub use range::{IpRange, NoRange, is_public};
