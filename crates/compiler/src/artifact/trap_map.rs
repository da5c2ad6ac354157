//! The map from an offset in the code to the kind of trap there and the Wasm instruction it belongs to.
//!
//! Sites are kept in order of code offsets, packed: a kind byte, then the distances
//! in code and in Wasm from the site before as LEB128. Every [`GROUP`]th site
//! starts afresh from an index entry, so that a look-up reads a few dozen bytes.
//!
//! A map is one string of bytes, which can be searched where it lies, in a mapped file for example: the index
//! (three u32 in little-endian an entry: offset in code, offset in Wasm, position), then the packed sites.

use pvf_rules::TrapKind;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Sites between two index entries.
const GROUP: u32 = 64;

/// Bytes of an index entry.
const ENTRY_BYTES: usize = 12;

/// The sites of a whole artifact.
#[derive(Clone, Default)]
pub struct TrapMap {
    groups: usize,
    bytes: Bytes,
}

/// The bytes: the map's own, or a range of shared bytes.
#[derive(Clone)]
enum Bytes {
    Owned(Vec<u8>),
    Shared(Arc<dyn AsRef<[u8]> + Send + Sync>, Range<usize>),
}

impl Default for Bytes {
    fn default() -> Self {
        Self::Owned(Vec::new())
    }
}

impl PartialEq for TrapMap {
    fn eq(&self, other: &Self) -> bool {
        self.groups == other.groups && self.as_bytes() == other.as_bytes()
    }
}

impl Eq for TrapMap {}

impl fmt::Debug for TrapMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrapMap")
            .field("groups", &self.groups)
            .field("bytes", &self.bytes())
            .finish()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Group {
    code: u32,
    wasm: u32,
    position: u32,
}

/// A place in the code that can trap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrapSite {
    /// Offset in the code: of the instruction that faults, or of the last byte of a call
    /// to the host.
    pub code_offset: u32,
    /// Offset in the module of the Wasm instruction.
    pub wasm_offset: u32,
    /// The trap that a fault here is.
    pub kind: TrapKind,
}

/// Builds a [`TrapMap`] from sites in ascending order of code offsets.
#[derive(Clone, Debug, Default)]
pub struct TrapMapBuilder {
    index: Vec<u8>,
    packed: Vec<u8>,
    sites: u32,
    last: (u32, u32),
}

impl TrapMapBuilder {
    /// Adds a site; code offsets must not descend.
    pub fn push(&mut self, site: TrapSite) {
        debug_assert!(
            self.sites == 0 || site.code_offset >= self.last.0,
            "sites are in order"
        );
        if self.sites.is_multiple_of(GROUP) {
            let position = self.packed.len() as u32;
            for word in [site.code_offset, site.wasm_offset, position] {
                self.index.extend(word.to_le_bytes());
            }
            self.last = (site.code_offset, site.wasm_offset);
        }
        self.packed.push(site.kind.code());
        push_leb(&mut self.packed, site.code_offset.wrapping_sub(self.last.0));
        let wasm = site.wasm_offset.wrapping_sub(self.last.1) as i32;
        push_leb(&mut self.packed, ((wasm << 1) ^ (wasm >> 31)) as u32);
        self.last = (site.code_offset, site.wasm_offset);
        self.sites += 1;
    }

    /// The finished map.
    pub fn finish(self) -> TrapMap {
        let groups = self.index.len() / ENTRY_BYTES;
        let mut bytes = self.index;
        bytes.extend(self.packed);
        TrapMap {
            groups,
            bytes: Bytes::Owned(bytes),
        }
    }
}

impl TrapMap {
    /// The map in a range of the bytes of `owner`, with `entries` index entries. `None` if the range is shorter than
    /// the index.
    pub fn shared(
        owner: Arc<dyn AsRef<[u8]> + Send + Sync>,
        range: Range<usize>,
        groups: usize,
    ) -> Option<Self> {
        let bytes = (*owner).as_ref().get(range.clone())?.len();
        let fits = groups.checked_mul(ENTRY_BYTES)? <= bytes;
        fits.then_some(Self {
            groups,
            bytes: Bytes::Shared(owner, range),
        })
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Owned(bytes) => bytes,
            Bytes::Shared(owner, range) => (**owner).as_ref().get(range.clone()).unwrap_or(&[]),
        }
    }

    /// Entries of its index.
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// The site at exactly this offset in the code.
    pub fn lookup(&self, code_offset: u32) -> Option<TrapSite> {
        let bytes = self.as_bytes();
        let (mut low, mut high) = (0, self.groups);
        while low < high {
            let middle = (low + high) / 2;
            match entry(bytes, middle)?.code <= code_offset {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        // A group may begin with sites at the offset its predecessor ends with.
        self.sites_of(low.checked_sub(1)?)
            .find(|site| site.code_offset == code_offset)
    }

    /// All sites, in order.
    pub fn sites(&self) -> impl Iterator<Item = TrapSite> + '_ {
        (0..self.groups).flat_map(|group| self.sites_of(group))
    }

    /// Calls `each` with all sites, in order. It is several times faster than [`Self::sites`].
    pub fn for_each(&self, mut each: impl FnMut(TrapSite)) {
        let bytes = self.as_bytes();
        for group in 0..self.groups {
            let (mut code, mut wasm, mut rest) = self.group(bytes, group);
            loop {
                // Nearly all sites are three bytes: kind and distances are below 128.
                while let Some(&[kind, near, zigzag]) = rest.first_chunk()
                    && (near | zigzag) < 0x80
                    && let Some(kind) = TrapKind::from_code(kind)
                {
                    rest = &rest[3..];
                    code = code.wrapping_add(near.into());
                    wasm = wasm.wrapping_add(of_zigzag(zigzag.into()));
                    each(TrapSite {
                        code_offset: code,
                        wasm_offset: wasm,
                        kind,
                    });
                }
                let Some(site) = take_site(&mut rest, &mut code, &mut wasm) else {
                    break;
                };
                each(site);
            }
        }
    }

    /// Bytes the map takes.
    pub fn bytes(&self) -> usize {
        self.as_bytes().len()
    }

    fn sites_of(&self, group: usize) -> impl Iterator<Item = TrapSite> + '_ {
        let (mut code, mut wasm, mut rest) = self.group(self.as_bytes(), group);
        std::iter::from_fn(move || take_site(&mut rest, &mut code, &mut wasm))
    }

    /// The offsets that a group starts from, in the code and in Wasm, and its packed sites.
    fn group<'b>(&self, bytes: &'b [u8], group: usize) -> (u32, u32, &'b [u8]) {
        let packed = bytes.get(self.groups * ENTRY_BYTES..).unwrap_or(&[]);
        let first = entry(bytes, group);
        let (code, wasm) = first.map_or((0, 0), |first| (first.code, first.wasm));
        let start = first.map_or(packed.len(), |first| first.position as usize);
        let end = match group + 1 < self.groups {
            true => entry(bytes, group + 1).map_or(0, |next| next.position as usize),
            false => packed.len(),
        };
        (code, wasm, packed.get(start..end).unwrap_or(&[]))
    }
}

/// Unpacks the next site. `code` and `wasm` are the offsets of the site before.
#[inline(always)]
fn take_site(rest: &mut &[u8], code: &mut u32, wasm: &mut u32) -> Option<TrapSite> {
    let (&kind, tail) = rest.split_first()?;
    *rest = tail;
    *code = code.wrapping_add(take_leb(rest)?);
    let zigzag = take_leb(rest)?;
    *wasm = wasm.wrapping_add(of_zigzag(zigzag));
    Some(TrapSite {
        code_offset: *code,
        wasm_offset: *wasm,
        kind: TrapKind::from_code(kind)?,
    })
}

/// The difference that a number stands for.
#[inline(always)]
fn of_zigzag(zigzag: u32) -> u32 {
    (zigzag >> 1) ^ (zigzag & 1).wrapping_neg()
}

/// An entry of the index at the front.
fn entry(bytes: &[u8], group: usize) -> Option<Group> {
    let start = group * ENTRY_BYTES;
    let words = bytes.get(start..start + ENTRY_BYTES)?;
    let word =
        |at: usize| u32::from_le_bytes([words[at], words[at + 1], words[at + 2], words[at + 3]]);
    Some(Group {
        code: word(0),
        wasm: word(4),
        position: word(8),
    })
}

fn push_leb(bytes: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

#[inline(always)]
fn take_leb(bytes: &mut &[u8]) -> Option<u32> {
    let (&first, rest) = bytes.split_first()?;
    if first < 0x80 {
        *bytes = rest;
        return Some(first.into());
    }
    take_long_leb(bytes)
}

fn take_long_leb(bytes: &mut &[u8]) -> Option<u32> {
    let mut value = 0;
    for shift in (0..35).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u32::from(byte & 0x7f).wrapping_shl(shift);
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn finds_what_was_pushed(steps in prop::collection::vec((1u32..1000, 0u32..u32::MAX, 0u8..11), 0..300)) {
            let mut code = 0;
            let sites: Vec<_> = steps
                .into_iter()
                .map(|(step, wasm_offset, kind)| {
                    code += step;
                    TrapSite { code_offset: code, wasm_offset, kind: TrapKind::from_code(kind).unwrap() }
                })
                .collect();
            let mut builder = TrapMapBuilder::default();
            sites.iter().for_each(|&site| builder.push(site));
            let map = builder.finish();
            prop_assert_eq!(map.sites().collect::<Vec<_>>(), sites.clone());
            let mut all = Vec::new();
            map.for_each(|site| all.push(site));
            prop_assert_eq!(&all, &sites);
            for site in &sites {
                prop_assert_eq!(map.lookup(site.code_offset), Some(*site));
            }
            prop_assert_eq!(map.lookup(code + 1), None);
            prop_assert_eq!(map.lookup(0), None);
            let owner = [&[1, 2, 3][..], map.as_bytes(), &[4]].concat();
            let range = 3..owner.len() - 1;
            let shared = TrapMap::shared(Arc::new(owner), range, map.groups());
            prop_assert_eq!(shared.as_ref(), Some(&map));
            prop_assert_eq!(shared.map(|map| map.sites().collect::<Vec<_>>()), Some(sites));
        }
    }
}
