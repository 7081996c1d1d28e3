//! The HTTP contract (api.md), over real HTTP, on a real MySQL, with Kafka away: nothing the
//! gateway answers may depend on it.

#[cfg(test)]
mod acts;
#[cfg(test)]
mod attempts;
#[cfg(test)]
mod auth;
#[cfg(test)]
mod bucket;
#[cfg(test)]
mod datasets;
#[cfg(test)]
mod events;
#[cfg(test)]
mod exports;
#[cfg(test)]
mod files;
#[cfg(test)]
mod house;
#[cfg(test)]
mod observe;
#[cfg(test)]
mod openapi;
#[cfg(test)]
mod problems;
#[cfg(test)]
mod process;
#[cfg(test)]
mod quotas;
#[cfg(test)]
mod reader;
#[cfg(test)]
mod repetition;
#[cfg(test)]
mod ringing;
#[cfg(test)]
mod tasks;
