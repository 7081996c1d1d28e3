//! What the benchmark's figures and checks promise.

#[cfg(test)]
mod check;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod figures;
