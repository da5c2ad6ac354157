//! Names of functions as people read them.

/// A name without mangling and without the hash that ends the older one; tools undo the mangling and leave the hash.
///
/// ```
/// assert_eq!(pvf_check::readable_name("_ZN6ledger6charge17h0123456789abcdefE"), "ledger::charge");
/// assert_eq!(pvf_check::readable_name("ledger::charge::h0123456789abcdef"), "ledger::charge");
/// assert_eq!(pvf_check::readable_name("memcpy"), "memcpy");
/// ```
pub fn readable_name(name: &str) -> String {
    let name = format!("{:#}", rustc_demangle::demangle(name));
    let is_hash = |hash: &str| hash.len() == 16 && hash.bytes().all(|it| it.is_ascii_hexdigit());
    match name.rsplit_once("::h") {
        Some((before, hash)) if is_hash(hash) => before.to_owned(),
        _ => name,
    }
}
