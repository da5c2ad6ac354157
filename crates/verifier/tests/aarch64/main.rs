//! Code for aarch64: what the compiler makes is accepted, what is damaged is refused.

mod accepted;
mod support;
