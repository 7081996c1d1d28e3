//! Imports: requests, headers, cells, rules, faults.

mod cells;
mod header;
mod json;
mod keys;
mod moments;
mod numbers;
mod properties;
mod request;
mod told;
mod workshop;
