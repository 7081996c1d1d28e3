//! The laws of reading, each held against a file made for it. Letters and numbers in comments are
//! those of the list of cases.

mod cells;
mod costs;
mod encodings;
mod hostile;
mod kit;
mod merged;
mod mutations;
mod oracle;
mod parts;
mod places;
mod sheets;
mod sniffing;
mod strings;
mod styles;
mod zip_claims;
