//! Corpora: the one of the repository against its own index, and one with every kind of file.

use pvf_corpus::{CorpusError, Expected, chains, fixtures, wasm};
use serde_json::Value;
use std::fs;

/// Whoever made the fixtures wrote the index; it and the files must tell of the same candidates.
#[test]
fn fixtures_are_as_their_index_says() {
    let index = fs::read(fixtures().join("cases.json")).expect("there is an index");
    let index: Value = serde_json::from_slice(&index).expect("the index is JSON");
    let listed = index["chains"].as_array().expect("a list of chains");
    let found = chains(&fixtures(), "").expect("can be read");
    assert_eq!(found.len(), listed.len());
    for listed in listed {
        let is_it = |chain: &&pvf_corpus::Chain| listed["chain"] == *chain.name;
        let chain = found.iter().find(is_it).expect("there is a folder");
        assert!(listed["code_file"] == *chain.code.file_name().expect("a file").to_string_lossy());
        assert!(
            wasm(&chain.code)
                .expect("is a module")
                .starts_with(b"\0asm")
        );
        let listed = listed["cases"].as_array().expect("a list of cases");
        assert_eq!(chain.cases.len(), listed.len(), "{}", chain.name);
        for listed in listed {
            let name = listed["case"].as_str().expect("a name");
            let case = chain.case(name).expect("there is a file");
            assert_eq!(&case.about, listed);
            let params = case.params().expect("can be read");
            assert_eq!(listed["params_size"], params.len());
            match listed["expect"].as_str() {
                Some("result") => {
                    let result = case.result().expect("can be read").expect("a result");
                    assert_eq!(listed["result_size"], result.len());
                }
                _ => {
                    let listed = listed["trap_kind"].as_str().expect("a kind of trap");
                    // A failed host function has its name behind the kind.
                    let kind = listed.trim_start_matches("trap ").split(' ').next();
                    let listed = kind.unwrap_or_default().replace('-', "_");
                    assert_eq!(case.trap_kind().expect("can be read"), Some(listed));
                }
            }
        }
    }
}

#[test]
fn every_kind_of_file() {
    let corpus = tempfile::tempdir().expect("there is room");
    let write = |path: &str, bytes: &[u8]| {
        let path = corpus.path().join(path);
        fs::create_dir_all(path.parent().expect("has a folder")).expect("can be made");
        fs::write(path, bytes).expect("can be written");
    };
    let module = b"\0asm\x01\0\0\0";
    let packed = |bytes: &[u8]| zstd::encode_all(bytes, 1).expect("can be compressed");
    let magic = [0x52, 0xbc, 0x53, 0x76, 0x46, 0xdb, 0x8e, 0x05];
    write(
        "a/code.compressed.wasm",
        &[&magic[..], &packed(module)].concat(),
    );
    write("a/one.params.zst", &packed(b"params"));
    write("a/one.result", b"result");
    write("a/two.params", b"plain");
    write("a/two.trap", b"trap stack-overflow 12\nlog x\n");
    write("a/three.params", b"");
    write("b/code.wat", b"(module)");
    write("c/notes.txt", b"not a chain");
    write("d/code.wat", b"(modul");
    write("d/bad.params.zst", b"not zstd");

    let all = chains(corpus.path(), "").expect("can be read");
    let names: Vec<_> = all.iter().map(|chain| chain.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "d"]);
    assert_eq!(wasm(&all[0].code).expect("is compressed"), module);
    assert_eq!(wasm(&all[1].code).expect("is a module"), module);
    assert!(matches!(wasm(&all[2].code), Err(CorpusError::Text { .. })));
    let [one, three, two] = &all[0].cases[..] else {
        panic!("{:?}", all[0].cases);
    };
    assert_eq!(one.params().expect("can be read"), b"params");
    assert_eq!(one.file().expect("can be read"), packed(b"params"));
    assert_eq!(
        one.result().expect("can be read").as_deref(),
        Some(&b"result"[..])
    );
    assert_eq!(three.expected, Expected::Unknown);
    assert_eq!(two.params().expect("can be read"), b"plain");
    assert_eq!(
        two.trap_kind().expect("can be read").as_deref(),
        Some("stack_overflow")
    );
    let bad = &all[2].cases[0];
    assert!(matches!(bad.params(), Err(CorpusError::Read { .. })));

    let some = chains(corpus.path(), "a/t").expect("can be read");
    let names = some
        .iter()
        .flat_map(|chain| &chain.cases)
        .map(|case| case.name.as_str());
    assert_eq!(names.collect::<Vec<_>>(), ["three", "two"]);
    write("a/cases.json", b"{");
    assert!(matches!(
        chains(corpus.path(), ""),
        Err(CorpusError::Index { .. })
    ));
    assert!(chains(&corpus.path().join("none"), "").is_err());
}
