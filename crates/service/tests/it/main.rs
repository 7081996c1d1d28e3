//! The laws of `service`, through its public door.

#[cfg(test)]
mod admin;
#[cfg(test)]
mod house;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod storage;
#[cfg(test)]
mod telemetry;
