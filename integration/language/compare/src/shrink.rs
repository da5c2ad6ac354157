//! Shrinks a module while it still shows the same difference.

use crate::judge::Judge;
use crate::module::Node;
use crate::module::parse::parse;
use crate::mutate::walk;
use crate::report::{Group, group};
use std::time::{Duration, Instant};

/// Maximum number of modules to try for one difference.
const MOST_TRIES: u32 = 600;

/// Maximum time for one difference.
const MOST_TIME: Duration = Duration::from_secs(20);

/// Larger modules are not shrunk: they test counts.
const MOST_BYTES: usize = 64 << 10;

/// The smallest module found.
///
/// # Errors
/// Errors of the judge.
pub fn shrink(judge: &mut Judge, code: &[u8], wanted: &Group) -> Result<Vec<u8>, String> {
    let mut least = code.to_vec();
    let mut tries = 0;
    let mut place = 0;
    let start = Instant::now();
    while tries < MOST_TRIES && start.elapsed() < MOST_TIME && least.len() <= MOST_BYTES {
        let mut module = parse(&least);
        let mut number = 0;
        let mut removed = false;
        walk(&mut module.root, &mut |node| {
            let Some(parts) = node.parts_mut() else {
                return;
            };
            let mut kept = Vec::with_capacity(parts.len());
            for part in parts.drain(..) {
                // Only whole units are removed: removing a leaf of an entry would change the
                // meaning of the rest.
                let can_go = matches!(part, Node::Group { .. }) || part.what() == "opcode beyond";
                if can_go && number == place {
                    removed = true;
                } else {
                    kept.push(part);
                }
                number += usize::from(can_go);
            }
            *parts = kept;
        });
        if !removed {
            break;
        }
        let smaller = module.encode();
        tries += 1;
        let same =
            smaller.len() < least.len() && group(&judge.ask(&smaller)?).as_ref() == Some(wanted);
        match same {
            true => least = smaller,
            false => place += 1,
        }
    }
    Ok(least)
}
