
/// Whether `PVF_MUTANT` chooses this mutant. With `PVF_MUTANTS_REACHED`, a file, no mutant is chosen, and the numbers of
/// those that were asked for are appended to it.
#[doc(hidden)]
#[allow(clippy::all, missing_docs)]
#[inline(always)]
pub const fn __mutant(number: u32) -> bool {
    const fn never(_: u32) -> bool {
        false
    }
    core::intrinsics::const_eval_select((number,), never, __is_chosen)
}

#[doc(hidden)]
#[allow(clippy::all, missing_docs)]
#[inline(always)]
pub fn __is_chosen(number: u32) -> bool {
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
    const UNKNOWN: u32 = u32::MAX;
    const RECORD: u32 = u32::MAX - 1;
    const NONE: u32 = u32::MAX - 2;
    static CHOSEN: AtomicU32 = AtomicU32::new(UNKNOWN);
    static REACHED: [AtomicBool; COUNT] = [const { AtomicBool::new(false) }; COUNT];

    #[cold]
    #[inline(never)]
    fn first() {
        let number = std::env::var("PVF_MUTANT").ok().and_then(|it| it.parse().ok());
        let otherwise = match std::env::var_os("PVF_MUTANTS_REACHED") {
            Some(_) => RECORD,
            None => NONE,
        };
        CHOSEN.store(number.unwrap_or(otherwise), Relaxed);
    }

    #[cold]
    #[inline(never)]
    fn record(number: u32) {
        use std::io::Write;
        // Hot code comes here often: a load is cheaper than an exchange.
        let reached = &REACHED[number as usize];
        if reached.load(Relaxed) || reached.swap(true, Relaxed) {
            return;
        }
        let Some(path) = std::env::var_os("PVF_MUTANTS_REACHED") else {
            return;
        };
        let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
        let written = file.and_then(|mut file| file.write_all(format!("{number}\n").as_bytes()));
        written.expect("the file of what was reached can be written");
    }

    match CHOSEN.load(Relaxed) {
        UNKNOWN => {
            first();
            __is_chosen(number)
        }
        RECORD => {
            record(number);
            false
        }
        chosen => chosen == number,
    }
}
