//! The command line, as a user and a script meet it.

mod command;
mod errors;
mod filters;
mod house;
mod manners;
mod refusals;
mod rows;
mod seed;
mod service;
mod walk;
