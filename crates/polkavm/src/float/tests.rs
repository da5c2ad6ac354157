//! Every operation against the hardware of this machine, bit for bit, on special operands and on random ones.

use super::*;

/// Bits with an exponent near the other operand's, so that sums cancel and round.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn near(&mut self, of: Format, bits: u64) -> u64 {
        let random = self.next();
        let mask = (1 << of.fraction) - 1;
        let step = (random >> 56) % 70;
        let exponent = (bits >> of.fraction).wrapping_add(step).wrapping_sub(35);
        let all = if of == F32 {
            u64::from(u32::MAX)
        } else {
            u64::MAX
        };
        (exponent << of.fraction | random & mask) & all
    }
}

const SPECIAL_64: [u64; 26] = [
    0,
    1,
    2,
    0x000f_ffff_ffff_ffff,
    0x0010_0000_0000_0000,
    0x0010_0000_0000_0001,
    0x3fdf_ffff_ffff_ffff,
    0x3fe0_0000_0000_0000,
    0x3fe0_0000_0000_0001,
    0x3ff0_0000_0000_0000,
    0x3ff8_0000_0000_0000,
    0x4004_0000_0000_0000,
    0x41df_ffff_ffc0_0000,
    0x41e0_0000_0000_0000,
    0x41ef_ffff_ffe0_0000,
    0x41f0_0000_0000_0000,
    0x4330_0000_0000_0001,
    0x43df_ffff_ffff_ffff,
    0x43e0_0000_0000_0000,
    0x43ef_ffff_ffff_ffff,
    0x43f0_0000_0000_0000,
    0x47ef_ffff_e000_0000,
    0x7fef_ffff_ffff_ffff,
    0x7ff0_0000_0000_0000,
    0x7ff0_0000_0000_0001,
    0x7ff8_0000_0000_0000,
];

fn special(wide: bool) -> Vec<u64> {
    let mut all = Vec::new();
    for bits in SPECIAL_64 {
        for bits in [bits, bits | 1 << 63] {
            match wide {
                true => all.push(bits),
                false => {
                    all.push(u64::from((f64::from_bits(bits) as f32).to_bits()));
                    all.push(bits >> 32);
                    all.push(bits & 0xffff_ffff);
                }
            }
        }
    }
    all
}

fn canonical64(value: f64) -> u64 {
    if value.is_nan() {
        F64.nan()
    } else {
        value.to_bits()
    }
}

fn canonical32(value: f32) -> u64 {
    if value.is_nan() {
        F32.nan()
    } else {
        value.to_bits().into()
    }
}

fn wasm_min(a: f64, b: f64, maximum: bool) -> f64 {
    if a.is_nan() || b.is_nan() {
        return f64::NAN;
    }
    if a == b {
        // Either sign of zero.
        let first = a.is_sign_negative() != maximum;
        return if first { a } else { b };
    }
    if (a < b) != maximum { a } else { b }
}

/// What the hardware says; `None` where it has no such operation.
fn hardware(operation: FloatOperation, wide: bool, a: u64, b: u64) -> Option<(u64, Option<u64>)> {
    let (x, y) = match wide {
        true => (f64::from_bits(a), f64::from_bits(b)),
        false => (
            f64::from(f32::from_bits(a as u32)),
            f64::from(f32::from_bits(b as u32)),
        ),
    };
    let (s, t) = (f32::from_bits(a as u32), f32::from_bits(b as u32));
    let float = |narrow: f32, full: f64| match wide {
        true => canonical64(full),
        false => canonical32(narrow),
    };
    let checked = |low: f64, high: f64, value: u64| {
        Some(if x.is_nan() {
            (0, Some(1))
        } else if x.trunc() < low || x.trunc() >= high {
            (0, Some(2))
        } else {
            (value, Some(0))
        })
    };
    let (two31, two32, two63, two64) = (
        2_147_483_648.0,
        4_294_967_296.0,
        9_223_372_036_854_775_808.0,
        18_446_744_073_709_551_616.0,
    );
    let result = match operation {
        FloatOperation::Add => float(s + t, x + y),
        FloatOperation::Sub => float(s - t, x - y),
        FloatOperation::Mul => float(s * t, x * y),
        FloatOperation::Div => float(s / t, x / y),
        FloatOperation::Min => float(wasm_min(x, y, false) as f32, wasm_min(x, y, false)),
        FloatOperation::Max => float(wasm_min(x, y, true) as f32, wasm_min(x, y, true)),
        FloatOperation::Sqrt => float(s.sqrt(), x.sqrt()),
        FloatOperation::Ceil => float(s.ceil(), x.ceil()),
        FloatOperation::Floor => float(s.floor(), x.floor()),
        FloatOperation::Trunc => float(s.trunc(), x.trunc()),
        FloatOperation::Nearest => float(s.round_ties_even(), x.round_ties_even()),
        FloatOperation::Compare => match x.partial_cmp(&y) {
            None => 0,
            Some(Ordering::Less) => 1,
            Some(Ordering::Equal) => 2,
            Some(Ordering::Greater) => 3,
        },
        FloatOperation::ToI32 => return checked(-two31, two31, x as i32 as u64),
        FloatOperation::ToU32 => return checked(0.0, two32, x as u32 as i32 as u64),
        FloatOperation::ToI64 => return checked(-two63, two63, x as i64 as u64),
        FloatOperation::ToU64 => return checked(0.0, two64, x as u64),
        FloatOperation::ToI32Saturating => x as i32 as u64,
        FloatOperation::ToU32Saturating => x as u32 as i32 as u64,
        FloatOperation::ToI64Saturating => x as i64 as u64,
        FloatOperation::ToU64Saturating => x as u64,
        FloatOperation::FromI32 => float(a as i32 as f32, a as i32 as f64),
        FloatOperation::FromU32 => float(a as u32 as f32, a as u32 as f64),
        FloatOperation::FromI64 => float(a as i64 as f32, a as i64 as f64),
        FloatOperation::FromU64 => float(a as f32, a as f64),
        FloatOperation::Convert => match wide {
            true => canonical32(x as f32),
            false => canonical64(x),
        },
    };
    Some((result, None))
}

fn compare(operation: FloatOperation, wide: bool, a: u64, b: u64) {
    if let Some(expected) = hardware(operation, wide, a, b) {
        let found = operate(operation, wide, a, b);
        assert_eq!(found, expected, "{operation:?} wide={wide} {a:#x} {b:#x}");
    }
}

#[test]
fn special_operands_are_as_on_hardware() {
    for wide in [false, true] {
        let all = special(wide);
        for operation in FloatOperation::ALL {
            for &a in &all {
                for &b in &all {
                    compare(operation, wide, a, b);
                }
            }
        }
    }
}

#[test]
fn random_operands_are_as_on_hardware() {
    let rounds: u32 = std::env::var("PVF_FLOAT_ROUNDS")
        .ok()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(20_000);
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for _ in 0..rounds {
        for wide in [false, true] {
            let of = format(wide);
            let mask = if wide { u64::MAX } else { u64::from(u32::MAX) };
            let a = random.next() & mask;
            let b = random.next() & mask;
            let near = random.near(of, a);
            // Of moderate size, for conversions to integers.
            let middle = random.near(of, hardware_one(wide));
            for operation in FloatOperation::ALL {
                for (a, b) in [(a, b), (a, near), (near, a), (middle, near), (b, middle)] {
                    compare(operation, wide, a, b);
                }
            }
        }
    }
}

/// A number about 2^30.
fn hardware_one(wide: bool) -> u64 {
    match wide {
        true => (1u64 << 30) as f64,
        false => return u64::from(((1u64 << 30) as f32).to_bits()),
    }
    .to_bits()
}
