//! Scripts for bugs that were found and fixed, and for what targets do with several operators at once:
//! `tests/regressions/*.wast`.

use pvf_wast::{Options, run_script};
use std::fs;
use std::path::Path;

#[test]
fn bugs_stay_fixed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/regressions");
    let options = Options::default();
    let mut passed = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let report = run_script(&fs::read_to_string(&path).unwrap(), &options).unwrap();
        assert_eq!(report.failures, Vec::<String>::new(), "{}", path.display());
        assert_eq!(report.skipped(), 0, "{}", path.display());
        passed += report.passed;
    }
    assert!(passed > 0, "there are scripts");
}
