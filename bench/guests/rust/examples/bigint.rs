//! Big-integer arithmetic: exponentiation modulo a prime of 256 bits (Montgomery's form), products of
//! long numbers and long division, as signatures and proofs in Wasm do them.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::vec::Vec;
use pvf_bench_guests::{Random, fold};

type Word = u64;
type U256 = [Word; 4];

/// 2^255 - 19.
const PRIME: U256 = [
    0xffff_ffff_ffff_ffed,
    u64::MAX,
    u64::MAX,
    0x7fff_ffff_ffff_ffff,
];

/// A + b * c + carry: low word, and the next carry.
fn multiply_add(a: Word, b: Word, c: Word, carry: Word) -> (Word, Word) {
    let wide = u128::from(a) + u128::from(b) * u128::from(c) + u128::from(carry);
    (wide as Word, (wide >> 64) as Word)
}

/// A - b - borrow.
fn subtract(a: Word, b: Word, borrow: bool) -> (Word, bool) {
    let (first, one) = a.overflowing_sub(b);
    let (second, two) = first.overflowing_sub(Word::from(borrow));
    (second, one | two)
}

/// -1 / PRIME modulo 2^64, by Newton's steps.
fn negative_inverse() -> Word {
    let mut inverse: Word = 1;
    for _ in 0..6 {
        inverse = inverse.wrapping_mul(2u64.wrapping_sub(PRIME[0].wrapping_mul(inverse)));
    }
    inverse.wrapping_neg()
}

/// X if it is below the prime, else x - prime.
fn reduce_once(x: U256, carry: Word) -> U256 {
    let mut difference = [0; 4];
    let mut borrow = false;
    for i in 0..4 {
        (difference[i], borrow) = subtract(x[i], PRIME[i], borrow);
    }
    if borrow && carry == 0 { x } else { difference }
}

/// A * b / 2^256 modulo the prime.
#[inline(never)]
fn montgomery(a: &U256, b: &U256, inverse: Word) -> U256 {
    let mut t = [0; 6];
    for &digit in a {
        let mut carry = 0;
        for j in 0..4 {
            (t[j], carry) = multiply_add(t[j], digit, b[j], carry);
        }
        let (top, over) = t[4].overflowing_add(carry);
        (t[4], t[5]) = (top, Word::from(over));
        let m = t[0].wrapping_mul(inverse);
        let (_, mut carry) = multiply_add(t[0], m, PRIME[0], 0);
        for j in 1..4 {
            (t[j - 1], carry) = multiply_add(t[j], m, PRIME[j], carry);
        }
        let (top, over) = t[4].overflowing_add(carry);
        t[3] = top;
        t[4] = t[5] + Word::from(over);
    }
    reduce_once([t[0], t[1], t[2], t[3]], t[4])
}

/// 2^512 modulo the prime: 38 * 38, since 2^256 is 38 there.
const SQUARE: U256 = [1444, 0, 0, 0];

fn power(base: &U256, exponent: &U256) -> U256 {
    let inverse = negative_inverse();
    let one = montgomery(&SQUARE, &[1, 0, 0, 0], inverse);
    let base = montgomery(&reduce_once(*base, 0), &SQUARE, inverse);
    let mut result = one;
    for word in exponent.iter().rev() {
        for bit in (0..64).rev() {
            result = montgomery(&result, &result, inverse);
            if word >> bit & 1 == 1 {
                result = montgomery(&result, &base, inverse);
            }
        }
    }
    montgomery(&result, &[1, 0, 0, 0], inverse)
}

#[inline(never)]
fn multiply(a: &[u32], b: &[u32]) -> Vec<u32> {
    let mut product = Vec::new();
    product.resize(a.len() + b.len(), 0u32);
    for (i, &x) in a.iter().enumerate() {
        let mut carry = 0;
        for (j, &y) in b.iter().enumerate() {
            let wide = u64::from(x) * u64::from(y) + u64::from(product[i + j]) + carry;
            product[i + j] = wide as u32;
            carry = wide >> 32;
        }
        product[i + b.len()] = carry as u32;
    }
    product
}

/// Divides by one digit; returns the remainder.
#[inline(never)]
fn divide_small(number: &mut [u32], divisor: u32) -> u32 {
    let mut remainder = 0u64;
    for digit in number.iter_mut().rev() {
        let wide = remainder << 32 | u64::from(*digit);
        *digit = (wide / u64::from(divisor)) as u32;
        remainder = wide % u64::from(divisor);
    }
    remainder as u32
}

#[unsafe(no_mangle)]
pub extern "C" fn run() -> u64 {
    let mut random = Random(14);
    let mut sum = 0;
    // An inverse by Fermat's little theorem; times the number it is 1.
    let exponent = [PRIME[0] - 2, PRIME[1], PRIME[2], PRIME[3]];
    let inverse = negative_inverse();
    for _ in 0..30 {
        let mut base: U256 = core::array::from_fn(|_| random.next());
        base[3] >>= 2;
        let inverted = power(&base, &exponent);
        let product = montgomery(&montgomery(&base, &inverted, inverse), &SQUARE, inverse);
        sum = fold(sum, u64::from(product == [1, 0, 0, 0]));
        sum = inverted.iter().fold(sum, |sum, &word| fold(sum, word));
    }
    // Decimal digits of a long product.
    let long = |random: &mut Random| -> Vec<u32> { (0..80).map(|_| random.next() as u32).collect() };
    let (a, b) = (long(&mut random), long(&mut random));
    let mut product = multiply(&a, &b);
    for _ in 0..170 {
        sum = fold(sum, u64::from(divide_small(&mut product, 1_000_000_000)));
    }
    sum
}
