//! From a place in the code to the trap it means and the Wasm it comes from.
//!
//! Sites are kept in order of code offsets, packed: a kind byte, then the distances
//! in code and in Wasm from the site before as LEB128. Every [`GROUP`]th site
//! starts afresh from an index entry, so that a look-up reads a few dozen bytes.

use pvf_spec::TrapKind;
use serde::{Deserialize, Serialize};

/// Sites between two index entries.
const GROUP: u32 = 64;

/// The sites of a whole artifact.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrapMap {
    index: Vec<Group>,
    packed: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// What a fault here means.
    pub kind: TrapKind,
}

/// Builds a [`TrapMap`] from sites in ascending order of code offsets.
#[derive(Clone, Debug, Default)]
pub struct TrapMapBuilder {
    map: TrapMap,
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
            self.map.index.push(Group {
                code: site.code_offset,
                wasm: site.wasm_offset,
                position: self.map.packed.len() as u32,
            });
            self.last = (site.code_offset, site.wasm_offset);
        }
        self.map.packed.push(site.kind.code());
        push_leb(
            &mut self.map.packed,
            site.code_offset.wrapping_sub(self.last.0),
        );
        let wasm = site.wasm_offset.wrapping_sub(self.last.1) as i32;
        push_leb(&mut self.map.packed, ((wasm << 1) ^ (wasm >> 31)) as u32);
        self.last = (site.code_offset, site.wasm_offset);
        self.sites += 1;
    }

    /// The finished map.
    pub fn finish(self) -> TrapMap {
        self.map
    }
}

impl TrapMap {
    /// The site at exactly this offset in the code.
    pub fn lookup(&self, code_offset: u32) -> Option<TrapSite> {
        let group = self
            .index
            .partition_point(|group| group.code <= code_offset)
            .checked_sub(1)?;
        // A group may begin with sites at the offset its predecessor ends with.
        self.sites_of(group)
            .find(|site| site.code_offset == code_offset)
    }

    /// All sites, in order.
    pub fn sites(&self) -> impl Iterator<Item = TrapSite> + '_ {
        (0..self.index.len()).flat_map(|group| self.sites_of(group))
    }

    /// Bytes the map takes.
    pub fn bytes(&self) -> usize {
        self.packed.len() + self.index.len() * size_of::<Group>()
    }

    fn sites_of(&self, group: usize) -> impl Iterator<Item = TrapSite> + '_ {
        let Group {
            mut code,
            mut wasm,
            position,
        } = self.index[group];
        let end = self
            .index
            .get(group + 1)
            .map_or(self.packed.len(), |next| next.position as usize);
        let mut rest = self.packed.get(position as usize..end).unwrap_or(&[]);
        std::iter::from_fn(move || {
            let (&kind, tail) = rest.split_first()?;
            rest = tail;
            code = code.wrapping_add(take_leb(&mut rest)?);
            let zigzag = take_leb(&mut rest)?;
            wasm = wasm.wrapping_add((zigzag >> 1) ^ (zigzag & 1).wrapping_neg());
            Some(TrapSite {
                code_offset: code,
                wasm_offset: wasm,
                kind: TrapKind::from_code(kind)?,
            })
        })
    }
}

fn push_leb(bytes: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn take_leb(bytes: &mut &[u8]) -> Option<u32> {
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
            for site in &sites {
                prop_assert_eq!(map.lookup(site.code_offset), Some(*site));
            }
            prop_assert_eq!(map.lookup(code + 1), None);
            prop_assert_eq!(map.lookup(0), None);
        }
    }
}
