//! Modules assembled byte by byte, for encodings that no text format can express.

/// An unsigned number in LEB128.
pub fn leb(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// Bytes after their length.
pub fn sized(bytes: &[u8]) -> Vec<u8> {
    let mut all = leb(bytes.len() as u64);
    all.extend_from_slice(bytes);
    all
}

/// Items after their count.
pub fn list(items: &[Vec<u8>]) -> Vec<u8> {
    let mut all = leb(items.len() as u64);
    items.iter().for_each(|item| all.extend_from_slice(item));
    all
}

/// The same item a number of times, after that number.
pub fn times(count: u64, item: &[u8]) -> Vec<u8> {
    let mut all = leb(count);
    (0..count).for_each(|_| all.extend_from_slice(item));
    all
}

/// A section.
pub fn section(id: u8, content: &[u8]) -> Vec<u8> {
    let mut all = vec![id];
    all.extend(sized(content));
    all
}

/// A module from its sections.
pub fn module(sections: &[Vec<u8>]) -> Vec<u8> {
    let mut all = b"\0asm\x01\0\0\0".to_vec();
    sections.iter().for_each(|it| all.extend_from_slice(it));
    all
}

/// A custom section with this total size, including its header.
pub fn filler(bytes: usize) -> Vec<u8> {
    // The encoding of the size has a variable length; tries each length until the total fits.
    (1..=5)
        .filter_map(|size_bytes| {
            let content = bytes.checked_sub(1 + size_bytes)?;
            let mut all = vec![0];
            all.extend(sized(&[vec![0], vec![0; content.checked_sub(1)?]].concat()));
            (all.len() == bytes).then_some(all)
        })
        .next()
        .unwrap_or_default()
}
