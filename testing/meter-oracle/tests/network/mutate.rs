//! Changes to the bytes of modules.

/// Bytes that have a meaning at many positions.
const TELLING: [u8; 24] = [
    0, 1, 2, 3, 4, 5, 7, 0x0b, 0x0f, 0x10, 0x11, 0x1a, 0x23, 0x40, 0x41, 0x60, 0x70, 0x7b, 0x7c,
    0x7f, 0x80, 0xc0, 0xfc, 0xff,
];

/// A source of changed modules. Equal seeds give equal modules.
pub struct Mutator {
    state: u64,
}

impl Mutator {
    /// A source with this seed.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// A number below a bound, which is not 0 (Sebastiano Vigna's splitmix64).
    fn below(&mut self, bound: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }

    /// One of the modules with a few changes.
    pub fn changed(&mut self, modules: &[Vec<u8>]) -> Vec<u8> {
        let mut wasm = modules[self.below(modules.len())].clone();
        let other = &modules[self.below(modules.len())];
        for _ in 0..=self.below(3) {
            wasm = match self.below(6) {
                0 => {
                    self.change_bytes(&mut wasm);
                    wasm
                }
                _ => self.change_sections(&wasm, other),
            };
        }
        wasm
    }

    /// Makes one change at a random position.
    fn change_bytes(&mut self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return bytes.push(TELLING[self.below(TELLING.len())]);
        }
        let at = self.below(bytes.len());
        match self.below(7) {
            0 => bytes[at] = TELLING[self.below(TELLING.len())],
            1 => bytes[at] ^= 1 << self.below(8),
            2 => bytes[at] = bytes[at].wrapping_add(1),
            3 => bytes[at] = bytes[at].wrapping_sub(1),
            4 => bytes.insert(at, TELLING[self.below(TELLING.len())]),
            5 => drop(bytes.remove(at)),
            // A longer encoding, if an LEB128 number ends at this byte.
            _ if bytes[at] < 0x80 => {
                let rest = if bytes[at] & 0x40 != 0 && self.below(2) == 0 {
                    0x7f
                } else {
                    0
                };
                bytes[at] |= 0x80;
                bytes.insert(at + 1, rest);
            }
            _ => {}
        }
    }

    /// Changes the sections and corrects their sizes.
    fn change_sections(&mut self, wasm: &[u8], other: &[u8]) -> Vec<u8> {
        let Some(mut sections) = sections(wasm).filter(|sections| !sections.is_empty()) else {
            let mut wasm = wasm.to_vec();
            self.change_bytes(&mut wasm);
            return wasm;
        };
        let at = self.below(sections.len());
        match self.below(12) {
            0 => drop(sections.remove(at)),
            1 => {
                let copy = sections[at].clone();
                sections.insert(self.below(sections.len()), copy);
            }
            2 => {
                let with = self.below(sections.len());
                sections.swap(at, with);
            }
            3 => sections[at].1 = vec![0],
            4 => {
                let id = self.below(14) as u8;
                let content = [TELLING[self.below(4)]].repeat(self.below(3));
                sections.insert(at, (id, content));
                sections.sort_by_key(|(id, _)| order(*id));
            }
            5 | 6 => {
                // Inserts a section of another module, or replaces the section of the same kind.
                let others = self::sections(other).unwrap_or_default();
                if !others.is_empty() {
                    let new = others[self.below(others.len())].clone();
                    sections.retain(|(id, _)| *id != new.0);
                    sections.push(new);
                    sections.sort_by_key(|(id, _)| order(*id));
                }
            }
            7 => self.change_body(&mut sections),
            _ => self.change_bytes(&mut sections[at].1),
        }
        let padding = if self.below(8) == 0 { self.below(4) } else { 0 };
        module(&sections, padding)
    }

    /// Changes the first body and corrects its size.
    fn change_body(&mut self, sections: &mut [(u8, Vec<u8>)]) {
        let Some((_, code)) = sections.iter_mut().find(|(id, _)| *id == 10) else {
            return;
        };
        let Some((count, start)) = number(code, 0) else {
            return;
        };
        let Some((size, begin)) = number(code, start) else {
            return;
        };
        let Some(end) = begin.checked_add(size).filter(|&end| end <= code.len()) else {
            return;
        };
        let mut body = code[begin..end].to_vec();
        self.change_bytes(&mut body);
        let mut changed = leb(count, 0);
        changed.extend(leb(body.len(), 0));
        changed.extend(body);
        changed.extend_from_slice(&code[end..]);
        *code = changed;
    }
}

/// The position of a section in the order of sections.
fn order(id: u8) -> u8 {
    match id {
        12 => 19,
        id => 2 * id,
    }
}

/// The sections of a module, if the bytes divide into sections.
fn sections(wasm: &[u8]) -> Option<Vec<(u8, Vec<u8>)>> {
    let mut at = 8;
    let mut sections = Vec::new();
    while at < wasm.len() {
        let id = wasm[at];
        let (size, start) = number(wasm, at + 1)?;
        let end = start.checked_add(size)?;
        sections.push((id, wasm.get(start..end)?.to_vec()));
        at = end;
    }
    (at == wasm.len()).then_some(sections)
}

fn module(sections: &[(u8, Vec<u8>)], padding: usize) -> Vec<u8> {
    let mut wasm = b"\0asm\x01\0\0\0".to_vec();
    for (id, content) in sections {
        wasm.push(*id);
        wasm.extend(leb(content.len(), padding));
        wasm.extend_from_slice(content);
    }
    wasm
}

fn number(bytes: &[u8], mut at: usize) -> Option<(usize, usize)> {
    let mut number = 0;
    for shift in (0..35).step_by(7) {
        let byte = *bytes.get(at)?;
        at += 1;
        number |= usize::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some((number, at));
        }
    }
    None
}

/// A number in LEB128, with this many bytes more than necessary.
fn leb(mut number: usize, padding: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
        if number == 0 {
            break;
        }
    }
    bytes.extend(vec![0x80; padding]);
    if let Some(last) = bytes.last_mut() {
        *last &= 0x7f;
    }
    bytes
}
