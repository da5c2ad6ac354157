//! Draws the addresses of a job's memory anew.
//!
//! The jobs of a worker are copies of one launcher. Without a draw of its own, each would map its memory at the same
//! addresses, and a candidate that found an address out would know it for the next one. So a job first reserves an
//! inaccessible range of random length: the kernel places mappings one below the other, so all that follow it (machine
//! code, linear memory, tables, both stacks) move by that length. The launcher has filled the holes between its own
//! mappings before, into which a small mapping would go otherwise. The program, its libraries and what the launcher has
//! allocated stay where they are; `docs/sandbox.md` says why that is accepted.

use crate::process;
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};
use rustix::param::page_size;
use rustix::rand::{GetRandomFlags, getrandom};

/// Bits of the draw, in pages: as many as the kernel draws for a program on x86-64.
const BITS: u32 = 28;

/// Draws the addresses of all mappings that this process makes afterwards. No result of a job depends on it.
///
/// It is left out where the address space is limited, and nothing fails if the system refuses it.
pub fn draw() {
    let mut bytes = [0; 4];
    if is_limited() || getrandom(&mut bytes, GetRandomFlags::empty()) != Ok(bytes.len()) {
        return;
    }
    let pages = (u32::from_ne_bytes(bytes) >> (32 - BITS)) as usize + 1;
    let _ = process::reserve(pages * page_size());
}

/// In a launcher: reserves the holes between its mappings, up to 1 GiB each.
pub fn fill_holes() {
    const LARGEST: usize = 1 << 30;
    /// More holes than any program has. A hole of any size takes a few reservations.
    const MOST: usize = 512;
    if is_limited() {
        return;
    }
    // The second one lies where the next mapping goes if it fits into no hole.
    let [Some(first), Some(second)] = [(); 2].map(|()| process::reserve(2 * LARGEST)) else {
        return;
    };
    let mut bytes = LARGEST;
    for _ in 0..MOST {
        let Some(at) = process::reserve(bytes) else {
            return;
        };
        let is_in_a_hole = (at < second) != (second < first);
        if !is_in_a_hole {
            bytes /= 2;
        }
        if bytes < page_size() {
            return;
        }
    }
}

/// Whether the address space is limited, so that no part of it can be spared.
fn is_limited() -> bool {
    getrlimit(Resource::RLIMIT_AS).map_or(true, |(soft, _)| soft != RLIM_INFINITY)
}
