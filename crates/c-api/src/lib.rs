//! The executor as a C library, `libpvf`: what a node in another language links.
//!
//! In come pointers and sizes, out go handles, codes and messages. The manual is the header, `include/pvf.h`, which cbindgen
//! makes of these files (a test compares; `PVF_BLESS=1` writes it anew), so the comments here are written for
//! readers of C, and types have their C names.
//!
//! | file | what crosses the border |
//! | --- | --- |
//! | `border` | how: pointers checked, panics caught, handles given away and taken back |
//! | `error` | statuses and error objects |
//! | `parameters` | the struct of parameters, which can grow |
//! | `log` | the callback for log lines |
//! | `network` | networks, and the parameters of sessions in SCALE |
//! | `bytes` | byte vectors |
//! | `artifact` | preparation; artifacts to bytes and files, and back |
//! | `pvf` | PVFs ready to execute |
//! | `interrupt` | ending executions from another thread |
//! | `outcome` | outcomes and their parts |
//! | `version` | which library this is |
//!
//! Every entry runs in [`border`]'s functions. What each demands of its callers stands in the header, in general at its
//! top: pointers are NULL or valid, handles are alive. `unsafe` blocks that have no other reason say
//! "by the header's rules".
#![allow(non_camel_case_types)]
// The rules for callers are in the header, once for all functions.
#![allow(clippy::missing_safety_doc)]

mod artifact;
mod border;
mod bytes;
mod error;
mod interrupt;
mod log;
mod network;
mod outcome;
mod parameters;
mod pvf;
mod version;
