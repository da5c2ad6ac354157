//! Reads the input as code in any form, prepares it and loads it.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Err(what) = pvf_fuzz::bad_input::try_blob(bytes) {
        panic!("{what}");
    }
});
