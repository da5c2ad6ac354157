//! Faults for machine code: edits of single instructions or notes that leave all lengths as they are, by class.
//!
//! Each class is a mistake that a compiler can make and that somebody's compiler has made, or one that breaks an invariant
//! directly. What an edit gives is wrong nearly always; where it happens to be harmless it may pass, so tests count.

pub mod x64;

use pvf_executor::Described;
use pvf_verifier::{Functions, Module, Refusal, TrapSite, Verified};

/// One fault: bytes of the code, or a trap site, changed.
#[derive(Clone, Debug)]
pub struct Fault {
    /// The function it is in.
    pub function: u32,
    /// What is changed.
    pub edit: Edit,
}

/// What is changed.
#[derive(Clone, Debug)]
pub enum Edit {
    /// These bytes of the code, from an offset on.
    Code(u32, Vec<u8>),
    /// The trap site with this number.
    Site(usize, TrapSite),
    /// The trap site with this number is not there.
    NoSite(usize),
}

/// Makes the fault, verifies the function it is in, and takes it back.
///
/// # Errors
/// The refusal: what is wanted.
pub fn try_fault(
    functions: &mut Functions,
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
            let result = functions.check(module, &described.with(code), fault.function);
            code[range].copy_from_slice(&before);
            result
        }
        Edit::Site(number, site) => {
            let before = std::mem::replace(&mut described.sites[*number], *site);
            let result = functions.check(module, &described.with(code), fault.function);
            described.sites[*number] = before;
            result
        }
        Edit::NoSite(number) => {
            let before = described.sites.remove(*number);
            let result = functions.check(module, &described.with(code), fault.function);
            described.sites.insert(*number, before);
            result
        }
    }
}
