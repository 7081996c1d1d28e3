//! The command line, as a user and a script meet it.

mod bucket;
mod command;
mod compensations;
mod completion;
mod dead_letters;
mod errors;
mod filters;
mod help;
mod house;
mod import;
mod lanes;
mod manners;
mod network;
mod operators;
mod options;
mod refusals;
mod relay;
mod rows;
mod seed;
mod service;
mod verbs;
mod walk;
mod watch;
mod webhooks;
