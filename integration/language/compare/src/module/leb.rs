//! LEB128 numbers, in the minimal encoding or padded.

/// The minimal encoding of an unsigned number.
pub fn unsigned(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            bytes.push(byte);
            return bytes;
        }
        bytes.push(byte | 0x80);
    }
}

/// The minimal encoding of a signed number.
pub fn signed(mut value: i64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = (value & 0x7f) as u8;
        value >>= 7;
        let sign = byte & 0x40 != 0;
        if (value == 0 && !sign) || (value == -1 && sign) {
            bytes.push(byte);
            return bytes;
        }
        bytes.push(byte | 0x80);
    }
}

/// The same number in `length` bytes, if it takes fewer.
pub fn padded(bytes: &[u8], length: usize, is_signed: bool) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if bytes.is_empty() || bytes.len() >= length {
        return bytes;
    }
    let last = bytes.len() - 1;
    let last = &mut bytes[last];
    let fill = if is_signed && *last & 0x40 != 0 {
        0x7f
    } else {
        0
    };
    *last |= 0x80;
    while bytes.len() + 1 < length {
        bytes.push(fill | 0x80);
    }
    bytes.push(fill);
    bytes
}

/// Decodes an unsigned number of at most 64 bits; `None` if the bytes are not one.
pub fn read_unsigned(bytes: &[u8]) -> Option<u64> {
    let mut value = 0;
    for (place, byte) in bytes.iter().enumerate() {
        let part = u64::from(byte & 0x7f);
        value |= part.checked_shl(7 * place as u32)?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Decodes a signed number of at most 64 bits; `None` if the bytes are not one.
pub fn read_signed(bytes: &[u8]) -> Option<i64> {
    let mut value = 0_i64;
    for (place, byte) in bytes.iter().enumerate() {
        let shift = 7 * place as u32;
        value |= i64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            let fill = (-1_i64).checked_shl(shift + 7).unwrap_or(0);
            return Some(if byte & 0x40 == 0 {
                value
            } else {
                value | fill
            });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for value in [0, 1, 63, 64, 127, 128, 300, u64::from(u32::MAX)] {
            for length in 1..9 {
                let bytes = padded(&unsigned(value), length, false);
                assert!(bytes.len() >= length);
                assert_eq!(read_unsigned(&bytes), Some(value));
            }
            for value in [value as i64, -(value as i64)] {
                for length in 1..9 {
                    let bytes = padded(&signed(value), length, true);
                    assert_eq!(read_signed(&bytes), Some(value), "{bytes:x?}");
                }
            }
        }
    }
}
