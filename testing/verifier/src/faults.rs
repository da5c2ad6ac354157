//! Classes of faults in machine code: edits of single instructions or trap sites that keep all lengths.
//!
//! Each class is a mistake that some compiler has made, or an edit that breaks an invariant directly. An edit nearly
//! always makes the code wrong. The verifier may accept an edit that is harmless, so the tests count how many are
//! accepted.

pub mod x64;

use pvf_executor::Described;
use pvf_verifier::{Checker, Functions, Module, Refusal, TrapSite, Verified};

/// One fault: a change of some bytes of the code, or of a trap site.
#[derive(Clone, Debug)]
pub struct Fault {
    /// The function that contains the change.
    pub function: u32,
    /// The change.
    pub edit: Edit,
}

/// A change.
#[derive(Clone, Debug)]
pub enum Edit {
    /// Writes these bytes into the code at an offset.
    Code(u32, Vec<u8>),
    /// Replaces the trap site with this index.
    Site(usize, TrapSite),
    /// Removes the trap site with this index.
    NoSite(usize),
}

/// Applies the fault, verifies the function that contains it, and undoes the fault.
///
/// # Errors
/// The verifier refuses the function, as it should.
pub fn try_fault(
    (functions, checker): (&Functions, &mut Checker),
    module: &Module<'_>,
    described: &mut Described<'_>,
    code: &mut [u8],
    fault: &Fault,
) -> Result<Verified, Refusal> {
    match &fault.edit {
        Edit::Code(at, bytes) => {
            let range = *at as usize..*at as usize + bytes.len();
            let before = code[range.clone()].to_vec();
            code[range.clone()].copy_from_slice(bytes);
            let result = functions.check(checker, module, &described.with(code), fault.function);
            code[range].copy_from_slice(&before);
            result
        }
        Edit::Site(number, site) => {
            let before = std::mem::replace(&mut described.sites[*number], *site);
            let result = functions.check(checker, module, &described.with(code), fault.function);
            described.sites[*number] = before;
            result
        }
        Edit::NoSite(number) => {
            let before = described.sites.remove(*number);
            let result = functions.check(checker, module, &described.with(code), fault.function);
            described.sites.insert(*number, before);
            result
        }
    }
}
