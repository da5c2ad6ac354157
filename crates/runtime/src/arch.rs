//! What depends on the processor: entering and leaving generated code, and reading and
//! changing the registers of an interrupted thread. Every module here offers the same items.

#[cfg(target_arch = "x86_64")]
mod x86_64;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86_64::*;

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
compile_error!("pvf-runtime runs on x86-64 Linux");
