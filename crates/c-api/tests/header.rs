//! The header is what cbindgen makes of the source, and the library offers what the header declares.

mod tools;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn generated() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).expect("cbindgen.toml");
    // In the order in which a program needs them.
    let sources = [
        "version",
        "error",
        "log",
        "parameters",
        "network",
        "bytes",
        "artifact",
        "interrupt",
        "pvf",
        "outcome",
    ];
    let builder = cbindgen::Builder::new().with_config(config);
    let builder = sources.iter().fold(builder, |builder, source| {
        builder.with_src(root.join(format!("src/{source}.rs")))
    });
    let mut header = Vec::new();
    builder.generate().expect("generates").write(&mut header);
    String::from_utf8(header).expect("is UTF-8")
}

#[test]
fn the_header_is_that_of_the_source() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("include/pvf.h");
    let generated = generated();
    if std::env::var_os("PVF_BLESS").is_some() {
        fs::write(&path, &generated).expect("can be written");
    }
    let kept = fs::read_to_string(&path).expect("include/pvf.h is there");
    assert!(
        kept == generated,
        "include/pvf.h is not what the source says; PVF_BLESS=1 writes it anew"
    );
}

/// Names of functions that the header declares.
fn declared() -> BTreeSet<String> {
    let header = generated();
    let (_, code) = header.split_once("*/").expect("there is a preamble");
    let code: String = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect();
    code.split('(')
        .filter_map(|before| {
            before
                .rsplit(|c: char| !c.is_alphanumeric() && c != '_')
                .next()
        })
        .filter(|name| name.starts_with("pvf_"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_shared_library_exports_what_the_header_declares_and_nothing_else() {
    let library = tools::library_folder().join("libpvf.so");
    let listed = tools::run("nm", &["-D", "--defined-only", tools::text(&library)]).success();
    let exported: BTreeSet<_> = listed
        .lines()
        .filter_map(|line| line.rsplit(' ').next())
        .map(str::to_owned)
        .collect();
    assert_eq!(exported, declared());
    assert!(exported.contains("pvf_validate"));
}
