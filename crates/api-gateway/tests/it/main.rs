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
mod compensations;
#[cfg(test)]
mod datasets;
#[cfg(test)]
mod dead_letters;
#[cfg(test)]
mod events;
#[cfg(test)]
mod exports;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod files;
#[cfg(test)]
mod form;
#[cfg(test)]
mod house;
#[cfg(test)]
mod import_acts;
#[cfg(test)]
mod imports;
#[cfg(test)]
mod lanes;
#[cfg(test)]
mod log;
#[cfg(test)]
mod measures;
#[cfg(test)]
mod notifications;
#[cfg(test)]
mod observe;
#[cfg(test)]
mod openapi;
#[cfg(test)]
mod operation_log;
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
mod row_errors;
#[cfg(test)]
mod rows;
#[cfg(test)]
mod rows_once;
#[cfg(test)]
mod tasks;
#[cfg(test)]
mod template;
#[cfg(test)]
mod webhooks;
#[cfg(test)]
mod worker;
