//! Sorting as Rust does it: the standard library's stable and unstable sorts, of records by several
//! keys, then searches in the sorted vectors.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::vec::Vec;
use pvf_bench_guests::{Random, fold};

/// A bid in an auction.
#[derive(Clone)]
struct Bid {
    amount: u64,
    block: u32,
    bidder: [u8; 20],
}

#[unsafe(no_mangle)]
pub extern "C" fn run() -> u64 {
    let mut random = Random(13);
    let mut bids: Vec<Bid> = (0..6000)
        .map(|_| Bid {
            amount: random.below(500),
            block: random.below(100_000) as u32,
            bidder: core::array::from_fn(|_| random.next() as u8),
        })
        .collect();
    let mut numbers: Vec<u64> = (0..40_000).map(|_| random.next() >> 32).collect();
    let mut sum = 0;
    bids.sort_by(|a, b| b.amount.cmp(&a.amount).then(a.block.cmp(&b.block)));
    for bid in bids.iter().step_by(7) {
        sum = fold(sum, bid.amount << 32 | u64::from(bid.block));
    }
    bids.sort_by(|a, b| a.bidder.cmp(&b.bidder));
    numbers.sort_unstable();
    numbers.dedup();
    for bid in &bids {
        let found = bids.binary_search_by(|other| other.bidder.cmp(&bid.bidder));
        sum = fold(sum, found.unwrap_or(0) as u64);
        let place = numbers.partition_point(|&number| number < u64::from(bid.block) << 15);
        sum = fold(sum, place as u64);
    }
    numbers.retain(|number| number % 3 != 0);
    numbers.reverse();
    numbers.sort();
    numbers.iter().fold(sum, |sum, &number| fold(sum, number))
}
