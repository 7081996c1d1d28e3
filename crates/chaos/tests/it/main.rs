//! One test binary for the chaos's own laws. The chaos itself is `./dev chaos`.

mod check;
mod plan;
mod ports;
mod recovery;
