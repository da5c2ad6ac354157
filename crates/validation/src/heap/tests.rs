//! Compares the heap with `sc-allocator` after every step, each on a memory of its own: addresses,
//! error texts, sizes, sums, and at the end every byte of memory. Two heaps are compared: one that is
//! asked the short way first, as host functions do, and one that never is.

use super::*;
use proptest::prelude::*;
use sc_allocator::FreeingBumpHeapAllocator;
use sp_wasm_interface::Pointer;
use std::cell::Cell;

const PAGE: usize = PAGE_BYTES as usize;

/// A memory for either allocator.
struct Pages {
    bytes: Vec<u8>,
    limit: u32,
}

impl Pages {
    fn grow_by(&mut self, pages: u32) -> Option<u32> {
        let old = (self.bytes.len() / PAGE) as u32;
        let new = old.checked_add(pages).filter(|&new| new <= self.limit)?;
        self.bytes.resize(new as usize * PAGE, 0);
        Some(old)
    }
}

impl LinearMemory for Pages {
    fn bytes(&self) -> u64 {
        self.bytes.len() as u64
    }
    fn header(&mut self, address: u32) -> Result<u64, HeapError> {
        read(&self.bytes, address)
    }
    fn set_header(&mut self, address: u32, header: u64) -> Result<(), HeapError> {
        write(&mut self.bytes, address, header)
    }
    fn write(&mut self, address: u32, bytes: &[u8]) -> Result<bool, HostFailure> {
        Ok(copy_into(&mut self.bytes, address, bytes))
    }
    fn pages(&self) -> u32 {
        (self.bytes.len() / PAGE) as u32
    }
    fn limit_pages(&self) -> u32 {
        self.limit
    }
    fn grow(&mut self, pages: u32) -> Result<Option<u32>, HostFailure> {
        Ok(self.grow_by(pages))
    }
    fn expect_use(&mut self, address: u32, bytes: u32) {
        assert!(
            bytes >= LARGE,
            "{address}: only large allocations are announced"
        );
    }
}

impl sc_allocator::Memory for Pages {
    fn with_access_mut<R>(&mut self, run: impl FnOnce(&mut [u8]) -> R) -> R {
        run(&mut self.bytes)
    }
    fn with_access<R>(&self, run: impl FnOnce(&[u8]) -> R) -> R {
        run(&self.bytes)
    }
    fn grow(&mut self, additional: u32) -> Result<(), ()> {
        self.grow_by(additional).map(drop).ok_or(())
    }
    fn pages(&self) -> u32 {
        (self.bytes.len() / PAGE) as u32
    }
    fn max_pages(&self) -> Option<u32> {
        Some(self.limit)
    }
}

/// One step of a module's use of the heap.
#[derive(Clone, Debug)]
enum Step {
    /// Allocates this number of bytes.
    Allocate(u32),
    /// Frees a live allocation.
    FreeLive(usize),
    /// Frees the address of the allocation with this number, live or not, plus an offset.
    Free(usize, i32),
    /// Frees this address.
    FreeAt(u32),
    /// Overwrites the header of the allocation with this number.
    Overwrite(usize, u64),
    /// Makes the header of one allocation point to that of another.
    Link(usize, usize),
    /// Grows memory as the module itself can.
    Grow(u32),
}

fn step() -> impl Strategy<Value = Step> {
    let number = 0_usize..80;
    let size = prop_oneof![
        8 => 0_u32..300,
        4 => 0_u32..70_000,
        2 => 0_u32..3_000_000,
    ];
    let large = prop_oneof![33_554_430_u32..33_554_436, any::<u32>()];
    let header = prop_oneof![
        (0_u64..30).prop_map(|order| order | IN_USE),
        0_u64..3_000_000,
        Just(u64::from(NIL)),
        Just(u64::from(NIL) - 7),
        any::<u64>(),
    ];
    let beside = prop_oneof![Just(0), -20_i32..20];
    prop_oneof![
        100 => size.prop_map(Step::Allocate),
        1 => large.prop_map(Step::Allocate),
        100 => any::<usize>().prop_map(Step::FreeLive),
        1 => (number.clone(), beside).prop_map(|(number, beside)| Step::Free(number, beside)),
        1 => prop_oneof![0_u32..20, any::<u32>()].prop_map(Step::FreeAt),
        1 => (number.clone(), header).prop_map(|(number, value)| Step::Overwrite(number, value)),
        1 => (number.clone(), number).prop_map(|(from, to)| Step::Link(from, to)),
        4 => (0_u32..4).prop_map(Step::Grow),
    ]
}

/// The allocators with their memories.
struct Pair {
    /// Asked the short way first.
    ours: (Heap, Pages),
    /// Never asked the short way.
    slow: (Heap, Pages),
    theirs: (FreeingBumpHeapAllocator, Pages),
    addresses: Vec<u32>,
    live: Vec<u32>,
    failures: u32,
    /// Calls that the short way did.
    quick: u32,
    /// Calls that it left to the other one, and that succeeded there.
    left: u32,
}

impl Pair {
    fn new(base: u32, pages: u32, limit: u32) -> Self {
        let memory = || Pages {
            bytes: vec![0; pages as usize * PAGE],
            limit,
        };
        Self {
            ours: (Heap::new(base), memory()),
            slow: (Heap::new(base), memory()),
            theirs: (FreeingBumpHeapAllocator::new(base), memory()),
            addresses: Vec::new(),
            live: Vec::new(),
            failures: 0,
            quick: 0,
            left: 0,
        }
    }

    fn address(&self, number: usize) -> u32 {
        self.addresses.get(number).copied().unwrap_or(16)
    }

    fn apply(&mut self, step: &Step) {
        match *step {
            Step::Allocate(bytes) => self.allocate(bytes),
            Step::FreeLive(_) if self.live.is_empty() => {}
            Step::FreeLive(number) => {
                let address = self.live.swap_remove(number % self.live.len());
                self.free(address);
            }
            Step::Free(number, beside) => {
                self.free(self.address(number).wrapping_add_signed(beside));
            }
            Step::FreeAt(address) => self.free(address),
            Step::Overwrite(number, value) => self.write(self.address(number), value),
            Step::Link(from, to) => {
                let target = self.address(to).wrapping_sub(HEADER);
                self.write(self.address(from), target.into());
            }
            Step::Grow(pages) => {
                let grown = self.theirs.1.grow_by(pages);
                for memory in [&mut self.ours.1, &mut self.slow.1] {
                    assert_eq!(
                        memory.grow_by(pages),
                        grown,
                        "the memories have the same size"
                    );
                }
            }
        }
    }

    fn allocate(&mut self, bytes: u32) {
        let (heap, memory) = &mut self.ours;
        let before = heap.clone();
        let ours = match heap.quick_allocate(&mut memory.bytes, bytes) {
            Some(address) => {
                self.quick += 1;
                Ok(address)
            }
            None => {
                assert_eq!(*heap, before, "the short way has no effect if it fails");
                let done = heap.allocate(memory, bytes);
                self.left += u32::from(done.is_ok());
                done
            }
        };
        let slow = self.slow.0.allocate(&mut self.slow.1, bytes);
        let theirs = self.theirs.0.allocate(&mut self.theirs.1, bytes);
        self.addresses.extend(&ours);
        self.live.extend(&ours);
        self.compare(ours, slow, theirs.map(u32::from));
    }

    fn free(&mut self, address: u32) {
        let (heap, memory) = &mut self.ours;
        let before = heap.clone();
        let ours = match heap.quick_free(&mut memory.bytes, address) {
            Some(()) => {
                self.quick += 1;
                Ok(())
            }
            None => {
                assert_eq!(*heap, before, "the short way has no effect if it fails");
                let done = heap.deallocate(memory, address);
                assert!(done.is_err(), "the short way frees whatever can be freed");
                done
            }
        };
        let slow = self.slow.0.deallocate(&mut self.slow.1, address);
        let theirs = &mut self.theirs;
        let theirs = theirs.0.deallocate(&mut theirs.1, Pointer::new(address));
        self.compare(ours, slow, theirs);
    }

    fn write(&mut self, address: u32, value: u64) {
        for memory in [&mut self.ours.1, &mut self.slow.1, &mut self.theirs.1] {
            let at = address.wrapping_sub(HEADER) as usize;
            if let Some(header) = memory.bytes.get_mut(at..at + 8) {
                header.copy_from_slice(&value.to_le_bytes());
            }
        }
    }

    fn compare<R: PartialEq + std::fmt::Debug>(
        &mut self,
        ours: Result<R, HeapError>,
        slow: Result<R, HeapError>,
        theirs: Result<R, sc_allocator::Error>,
    ) {
        self.failures += u32::from(ours.is_err());
        let [ours, slow] = [ours, slow].map(|result| result.map_err(|error| error.to_string()));
        let theirs = theirs.map_err(|error| error.to_string());
        assert_eq!(ours, theirs);
        assert_eq!(slow, theirs);
        assert_eq!(self.ours.0, self.slow.0, "both ways leave the same heap");
        let theirs = self.theirs.0.stats();
        let expected = HeapStats {
            allocated: theirs.bytes_allocated,
            peak: theirs.bytes_allocated_peak,
            address_space: theirs.address_space_used,
        };
        if ours.is_ok() {
            assert_eq!(self.ours.0.stats(), expected);
        }
    }
}

#[test]
fn every_step_has_the_result_of_the_reference() {
    let config = ProptestConfig {
        cases: 3000,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let (failed, grown) = (Cell::new(0_u32), Cell::new(0_u32));
    let (quick, left) = (Cell::new(0_u32), Cell::new(0_u32));
    let memory = (0_u32..70_000, 1_u32..4, 0_u32..120);
    proptest!(config, |((base, pages, more) in memory, steps in prop::collection::vec(step(), 0..150))| {
        let mut pair = Pair::new(base, pages, pages + more);
        steps.iter().for_each(|step| pair.apply(step));
        for ours in [&pair.ours.1, &pair.slow.1] {
            prop_assert!(ours.bytes == pair.theirs.1.bytes, "the memories have the same contents");
        }
        quick.update(|count| count + pair.quick);
        left.update(|count| count + pair.left);
        failed.update(|count| count + u32::from(pair.failures > 0));
        grown.update(|count| count + u32::from(pair.ours.1.pages() > pages + 8));
    });
    let (failed, grown) = (failed.get(), grown.get());
    assert!(
        failed > 500 && grown > 500,
        "{failed} failed, {grown} grew: too few"
    );
    let (quick, left) = (quick.get(), left.get());
    assert!(
        quick > 30_000 && left > 2_000,
        "{quick} calls the short way, {left} left to the other: too few"
    );
}

#[test]
fn sizes_around_each_power_of_two_are_as_in_the_reference() {
    for exponent in 0..=26 {
        for size in [(1_u32 << exponent) - 1, 1 << exponent, (1 << exponent) + 1] {
            let mut pair = Pair::new(5, 1, 2000);
            pair.apply(&Step::Allocate(size));
            pair.apply(&Step::Free(0, 0));
            pair.apply(&Step::Allocate(size / 2 + 1));
            pair.apply(&Step::Allocate(size));
        }
    }
}

#[test]
fn every_error_text_is_as_in_the_reference() {
    let steps = |steps: &[Step]| {
        let mut pair = Pair::new(1000, 1, 3);
        steps.iter().for_each(|step| pair.apply(step));
        assert!(
            pair.failures >= 2,
            "the last step but one fails and the last fails as poisoned"
        );
    };
    use Step::*;
    steps(&[Allocate((32 << 20) + 1), Allocate(1)]);
    steps(&[Allocate(100_000), Allocate(100_000), Allocate(1)]);
    steps(&[FreeAt(7), Allocate(1)]);
    steps(&[FreeAt(u32::MAX), FreeAt(20)]);
    steps(&[Allocate(8), Free(0, 0), Free(0, 0), Allocate(1)]);
    steps(&[
        Allocate(8),
        Overwrite(0, IN_USE | 23),
        Free(0, 0),
        Allocate(1),
    ]);
    // A free list that leads out of memory, to a piece in use, or to an invalid header.
    let freed = [Allocate(8), Allocate(8), Free(0, 0)];
    for header in [1 << 18, 3 * 65_536 - 15, u64::from(NIL) - 1] {
        let broken = [Overwrite(0, header), Allocate(8), Allocate(8), Allocate(8)];
        steps(&[&freed[..], &broken].concat());
    }
    let in_use = [Link(0, 1), Allocate(8), Allocate(8), Allocate(8)];
    steps(&[&freed[..], &in_use].concat());
    let broken = [Overwrite(0, IN_USE | 99), Allocate(8), Allocate(8)];
    steps(&[&freed[..], &broken].concat());
    // Frees more bytes than were allocated.
    steps(&[
        Allocate(8),
        Overwrite(0, IN_USE | 5),
        Free(0, 0),
        Allocate(1),
    ]);
}
