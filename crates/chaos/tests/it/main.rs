//! One test binary for the chaos's own laws. The chaos itself is `./dev chaos`.

mod plan;
mod ports;
