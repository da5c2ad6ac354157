//! Text: numbers and structures written through `core::fmt` (calls through tables, short writes), and
//! read back.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;
use pvf_bench_guests::{Random, fold, fold_bytes};

/// An event as a runtime would log it.
// Read by `Debug` only.
#[allow(dead_code)]
#[derive(Debug)]
enum Event {
    Transferred { from: u32, to: u32, amount: u128 },
    Failed(Option<&'static str>, [u8; 4]),
    Done,
}

fn event(random: &mut Random) -> Event {
    match random.below(3) {
        0 => Event::Transferred {
            from: random.next() as u32,
            to: random.below(100) as u32,
            amount: u128::from(random.next()) << random.below(20),
        },
        1 => Event::Failed(
            (random.below(2) == 0).then_some("Token(\"frozen\")"),
            (random.next() as u32).to_le_bytes(),
        ),
        _ => Event::Done,
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn run() -> u64 {
    let mut random = Random(16);
    let mut log = String::new();
    for index in 0..4000 {
        let event = event(&mut random);
        let written = match index % 3 {
            0 => writeln!(log, "{index}: {event:?}"),
            1 => writeln!(log, "{index:>6}: {:#x} {:08}", random.next(), random.below(999)),
            _ => writeln!(log, "{index:<5}: {:#?}", event),
        };
        if written.is_err() {
            return 0;
        }
    }
    let mut sum = fold_bytes(0, log.as_bytes());
    for line in log.lines() {
        let words: Vec<&str> = line.split([' ', ':', ',']).filter(|it| !it.is_empty()).collect();
        sum = fold(sum, words.len() as u64);
        for word in words {
            if let Ok(number) = word.parse::<u64>() {
                sum = fold(sum, number);
            }
        }
    }
    sum
}
