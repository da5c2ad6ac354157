//! The forms of code that are accepted, and the errors for all other input.

use super::*;
use proptest::prelude::*;
use std::io::Write;

const LIMIT: usize = 1 << 20;

fn module() -> Vec<u8> {
    let text = "(module (memory 1) (func (export \"f\") (result i32) i32.const 7)
        (data (i32.const 0) \"a few bytes that are worth compressing, compressing, compressing\"))";
    wat::parse_str(text).unwrap()
}

fn frame(content: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn compress(content: &[u8]) -> Vec<u8> {
    [&COMPRESSED_MAGIC[..], &frame(content)].concat()
}

fn chain_spec(code: &[u8]) -> String {
    let code = hex::encode(code);
    format!(
        r#" {{"name":"n","bootNodes":[{{"deep":[[1,2.5e3,null,"\u00e9"]]}}],
        "genesis":{{"raw":{{"top":{{"0x01":"0x02","0x3a636f6465":"0x{code}","0x03":"0x"}},
        "childrenDefault":{{}}}}}},"id":"i"}}"#
    )
}

fn invalid(result: Result<Code, CodeError>) -> bool {
    matches!(
        result,
        Err(CodeError::Decompress(DecompressError::Invalid(_)))
    )
}

#[test]
fn the_kind_of_code_is_detected_from_the_content() {
    let wasm = module();
    let compressed = compress(&wasm);
    let text = b"\xef\xbb\xbf ;; a comment\n(module)".to_vec();
    let cases = [
        (wasm.clone(), CodeKind::Wasm, None),
        (
            compressed.clone(),
            CodeKind::Compressed,
            Some(compressed.len()),
        ),
        (chain_spec(&wasm).into_bytes(), CodeKind::ChainSpec, None),
        (
            chain_spec(&compressed).into_bytes(),
            CodeKind::ChainSpec,
            Some(compressed.len()),
        ),
    ];
    for (bytes, kind, compressed_bytes) in cases {
        let code = read_code(&bytes, LIMIT).unwrap();
        let expected = Code {
            wasm: wasm.clone(),
            kind,
            compressed_bytes,
        };
        assert_eq!(code, expected);
    }
    for text in [&text[..], b"(module)", b"\n\t(; block ;) (module)"] {
        let code = read_code(text, LIMIT).unwrap();
        assert_eq!(
            (code.kind, &code.wasm[..]),
            (CodeKind::Text, &b"\0asm\x01\0\0\0"[..])
        );
    }
    for other in [
        &b""[..],
        b" ",
        b"\0as",
        b"ELF",
        b"[]",
        b"\x28\xb5\x2f\xfd",
        b"\"\"",
    ] {
        assert_eq!(read_code(other, LIMIT), Err(CodeError::Unrecognised));
    }
}

#[test]
fn the_limit_is_exact() {
    let content = vec![7; 200_000];
    let compressed = compress(&content);
    assert_eq!(read_code(&compressed, 200_000).unwrap().wasm, content);
    let too_large = CodeError::Decompress(DecompressError::TooLarge { limit: 199_999 });
    assert_eq!(read_code(&compressed, 199_999), Err(too_large));
    assert_eq!(
        decompress_zstd(&frame(b"x"), 0),
        Err(DecompressError::TooLarge { limit: 0 })
    );
    assert_eq!(decompress_zstd(&frame(b""), 0), Ok(vec![]));
    let text = CodeError::TooLarge { bytes: 8, limit: 7 };
    assert_eq!(read_code(b"(module)", 7), Err(text));
}

#[test]
fn bombs_are_stopped_at_the_limit() {
    // 16 GiB of zeros in run-length blocks of 128 KiB.
    let mut bomb = COMPRESSED_MAGIC.to_vec();
    bomb.extend([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38]);
    for _ in 0..131_072 {
        bomb.extend([0x02, 0x00, 0x10, 0x00]);
    }
    let too_large = CodeError::Decompress(DecompressError::TooLarge { limit: LIMIT });
    assert_eq!(read_code(&bomb, LIMIT), Err(too_large));
    // A frame that declares 2^63 bytes of content and contains one.
    let declared = [
        0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x09, 0, 0, 1,
    ];
    assert!(decompress_zstd(&declared, LIMIT).is_err());
}

/// A frame of one repeated byte, with a declared window of 256 MiB.
fn frame_with_large_window(content: u16) -> Vec<u8> {
    let block = u32::from(content) << 3 | 1 << 1 | 1;
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x40, 18 << 3];
    frame.extend((content - 256).to_le_bytes());
    frame.extend(&block.to_le_bytes()[..3]);
    frame.push(7);
    frame
}

/// libzstd accepts such a frame only if it needs no window buffer: if it decompresses from one
/// buffer into another that is large enough. That depends on the compressed size.
#[test]
fn frames_with_large_windows_decompress_as_on_the_network() {
    let mut taken = Vec::new();
    for (content, padding) in [
        (300, 0),
        (300, 400),
        (5_000, 0),
        (5_000, 9_000),
        (9_000, 9_000),
    ] {
        let skippable = [&[0x50, 0x2a, 0x4d, 0x18], &u32::to_le_bytes(padding)[..]].concat();
        let mut blob = COMPRESSED_MAGIC.to_vec();
        blob.extend(frame_with_large_window(content));
        blob.extend(skippable);
        blob.extend(vec![0; padding as usize]);
        let theirs = sp_maybe_compressed_blob::decompress(&blob, LIMIT).ok();
        let ours = read_code(&blob, LIMIT).ok().map(|code| code.wasm);
        assert_eq!(ours.as_deref(), theirs.as_deref());
        taken.push(ours.is_some());
    }
    assert_eq!(taken, [false, true, false, true, false]);
}

#[test]
fn several_frames_are_one_content() {
    let skippable = [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
    let frames = [&skippable[..], &frame(b"ab"), &skippable, &frame(b"c")].concat();
    assert_eq!(decompress_zstd(&frames, LIMIT), Ok(b"abc".to_vec()));
}

#[test]
fn truncated_and_trailing_bytes_are_errors() {
    let compressed = compress(&module());
    for end in COMPRESSED_MAGIC.len()..compressed.len() {
        assert!(invalid(read_code(&compressed[..end], LIMIT)), "{end}");
    }
    for tail in [&[0][..], &[1, 2, 3], b"\0asm", &[0x28, 0xb5, 0x2f, 0xfd]] {
        let longer = [&compressed[..], tail].concat();
        assert!(invalid(read_code(&longer, LIMIT)), "{tail:?}");
    }
}

/// Frames of the formats before the standard, which some builds of libzstd accept.
#[test]
fn legacy_frames_are_refused_whatever_the_build() {
    for version in 0x1e..=0x27 {
        let legacy = [
            &COMPRESSED_MAGIC[..],
            &[version, 0xb5, 0x2f, 0xfd],
            &[0; 64],
        ]
        .concat();
        assert!(invalid(read_code(&legacy, LIMIT)));
    }
}

#[test]
fn nothing_is_unwrapped_twice() {
    let once = compress(&module());
    assert_eq!(read_code(&compress(&once), LIMIT).unwrap().wasm, once);
    let text = compress(b"(module)");
    assert_eq!(read_code(&text, LIMIT).unwrap().wasm, b"(module)");
    let nested = chain_spec(chain_spec(&module()).as_bytes());
    assert_eq!(
        read_code(nested.as_bytes(), LIMIT),
        Err(CodeError::Unrecognised)
    );
}

/// A plain specification as chain-spec-builder writes it; and one with both forms, where the raw
/// state counts.
#[test]
fn plain_chain_specifications_are_read_and_raw_state_takes_precedence() {
    let plain = |code: &[u8]| {
        format!(
            r#""runtimeGenesis":{{"patch":{{}},"code":"0x{}"}}"#,
            hex::encode(code)
        )
    };
    let spec = |genesis: &str| format!(r#"{{"name":"x","genesis":{{{genesis}}}}}"#);
    let code = read_code(spec(&plain(&module())).as_bytes(), LIMIT).expect("it has code");
    assert_eq!((code.wasm, code.kind), (module(), CodeKind::ChainSpec));
    let other = compress(&module());
    let raw = format!(
        r#""raw":{{"top":{{"0x3a636f6465":"0x{}"}}}}"#,
        hex::encode(&other)
    );
    for genesis in [
        format!("{raw},{}", plain(b"other")),
        format!("{},{raw}", plain(b"other")),
    ] {
        let code = read_code(spec(&genesis).as_bytes(), LIMIT).expect("it has code");
        assert_eq!(code.wasm, module());
    }
}

#[test]
fn chain_specifications_without_code_are_typed_errors() {
    let read = |json: &str| read_code(json.as_bytes(), LIMIT).unwrap_err();
    for json in [
        "{}",
        r#"{"genesis":{}}"#,
        r#"{"genesis":{"runtimeGenesis":{"patch":{"code":"0x00"}}}}"#,
        r#"{"genesis":{"raw":{"top":{}}}}"#,
        r#"{"genesis":{"raw":{"top":{}},"runtimeGenesis":{}}}"#,
    ] {
        assert_eq!(read(json), CodeError::NoCode, "{json}");
    }
    for json in [
        "{",
        "{]",
        r#"{"genesis":3}"#,
        r#"{"genesis":{"raw":{"top":[]}}} "#,
        "{} {}",
    ] {
        assert!(matches!(read(json), CodeError::ChainSpec(_)), "{json}");
    }
    for code in ["0x0", "0xzz", "é"] {
        let json = format!(r#"{{"genesis":{{"raw":{{"top":{{"0x3a636f6465":"{code}"}}}}}}}}"#);
        assert!(matches!(read(&json), CodeError::Hex(_)), "{code}");
    }
    let not_a_string = r#"{"genesis":{"raw":{"top":{"0x3a636f6465":[1]}}}}"#;
    assert!(matches!(read(not_a_string), CodeError::ChainSpec(_)));
}

/// Ignored values may be nested arbitrarily deep; values that are read may not.
#[test]
fn nesting_does_not_exhaust_the_stack() {
    let deep = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    let spec = format!(
        "{{\"x\":{deep},{}",
        &chain_spec(&module()).trim_start()[1..]
    );
    assert_eq!(read_code(spec.as_bytes(), LIMIT).unwrap().wasm, module());
    let top = format!(r#"{{"genesis":{}"#, "{\"raw\":".repeat(1_000_000));
    assert!(read_code(top.as_bytes(), LIMIT).is_err());
    let text = "(module ".repeat(1_000_000);
    assert!(matches!(
        read_code(text.as_bytes(), LIMIT),
        Err(CodeError::Text(_))
    ));
    let folded = format!("(module (func {}", "(block ".repeat(1_000_000));
    assert!(matches!(
        read_code(folded.as_bytes(), LIMIT),
        Err(CodeError::Text(_))
    ));
}

#[test]
fn errors_in_text_give_the_line() {
    let error = read_code(b"(module\n  (func bogus))", LIMIT).unwrap_err();
    assert!(error.to_string().contains(":2:"), "{error}");
    assert!(matches!(
        read_code(b"(\xff)", LIMIT),
        Err(CodeError::Text(_))
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn damaged_blobs_are_typed_errors(
        form in 0u8..4,
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..3), 1..5),
    ) {
        let wasm = module();
        let mut bytes = match form {
            0 => wasm,
            1 => compress(&wasm),
            2 => chain_spec(&compress(&wasm)).into_bytes(),
            _ => b"(module (func (param i32) (local.get 0) drop))".to_vec(),
        };
        for (at, byte, edit) in edits {
            if bytes.is_empty() { break; }
            let at = at.index(bytes.len());
            match edit {
                0 => bytes[at] ^= byte,
                1 => bytes.insert(at, byte),
                _ => bytes.truncate(at),
            }
        }
        if let Ok(code) = read_code(&bytes, LIMIT) {
            prop_assert!(code.wasm.len() <= LIMIT);
        }
    }

    /// Decompression agrees with the network's crate.
    #[test]
    fn decompression_agrees_with_the_networks(
        contents in prop::collection::vec(prop::collection::vec(0u8..4, 0..3_000), 1..3),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..4), 0..3),
        limit in 0usize..6_000,
    ) {
        let mut frames: Vec<u8> = contents.iter().flat_map(|content| frame(content)).collect();
        for (at, byte, edit) in edits {
            let at = at.index(frames.len() + 1);
            match edit {
                0 if at < frames.len() => frames[at] ^= byte,
                1 => frames.insert(at, byte),
                2 => frames.extend(std::iter::repeat_n(byte, at % 9)),
                _ => frames.truncate(at),
            }
        }
        let blob = [&COMPRESSED_MAGIC[..], &frames].concat();
        let theirs = sp_maybe_compressed_blob::decompress(&blob, limit);
        let ours = read_code(&blob, limit).map(|code| code.wasm);
        match (&theirs, &ours) {
            (Ok(theirs), Ok(ours)) => prop_assert_eq!(&theirs[..], &ours[..]),
            (Err(sp_maybe_compressed_blob::Error::PossibleBomb), Err(error)) => {
                let bomb = CodeError::Decompress(DecompressError::TooLarge { limit });
                prop_assert_eq!(error, &bomb);
            }
            (Err(_), Err(CodeError::Decompress(DecompressError::Invalid(_)))) => {}
            _ => prop_assert!(false, "theirs {theirs:?}, ours {ours:?}"),
        }
    }

    #[test]
    fn flipped_bits_in_a_checksummed_frame_are_found(bit in 0usize..8, at: prop::sample::Index) {
        let content = module();
        let mut damaged = compress(&content);
        let body = COMPRESSED_MAGIC.len()..damaged.len();
        let at = body.start + at.index(body.len());
        damaged[at] ^= 1 << bit;
        // Some bits are redundant, such as those of the size's encoding, but the content never
        // changes unnoticed.
        if let Ok(code) = read_code(&damaged, LIMIT) {
            prop_assert!(code.wasm == content || code.wasm.is_empty());
        }
    }

    #[test]
    fn random_bytes_are_typed_errors(tail in prop::collection::vec(any::<u8>(), 0..300), magic: bool) {
        let bytes = if magic { [&COMPRESSED_MAGIC[..], &frame(&tail)[..], &tail].concat() } else { tail };
        let _ = read_code(&bytes, LIMIT);
    }

    #[test]
    fn round_trip(content in prop::collection::vec(any::<u8>(), 0..100_000)) {
        prop_assert_eq!(read_code(&compress(&content), LIMIT).unwrap().wasm, content);
    }
}
