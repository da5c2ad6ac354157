// Byte work that no block operation replaces: checks, encodings and counts, one byte at a time.
#include "guest.h"

#define SIZE 32768

static u8 data[SIZE], text[2 * SIZE];
static u32 table[256], counts[256];

static NOINLINE u32 crc32(const u8 *bytes, u32 count) {
    u32 crc = ~0u;
    for (u32 i = 0; i < count; i++) {
        crc = table[(crc ^ bytes[i]) & 255] ^ (crc >> 8);
    }
    return ~crc;
}

static NOINLINE u32 adler32(const u8 *bytes, u32 count) {
    u32 a = 1, b = 0;
    for (u32 i = 0; i < count; i++) {
        a = (a + bytes[i]) % 65521;
        b = (b + a) % 65521;
    }
    return b << 16 | a;
}

static NOINLINE void to_hex(u8 *out, const u8 *bytes, u32 count) {
    for (u32 i = 0; i < count; i++) {
        out[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
        out[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
    }
}

static NOINLINE int from_hex(u8 *out, const u8 *digits, u32 count) {
    for (u32 i = 0; i < count; i++) {
        u32 value = 0;
        for (u32 half = 0; half < 2; half++) {
            u8 d = digits[2 * i + half];
            value <<= 4;
            if (d >= '0' && d <= '9') {
                value |= d - '0';
            } else if (d >= 'a' && d <= 'f') {
                value |= d - 'a' + 10;
            } else {
                return 0;
            }
        }
        out[i] = (u8)value;
    }
    return 1;
}

// Number of characters of UTF-8, or nothing if it is not well formed in its simplest respects.
static NOINLINE u32 characters(const u8 *bytes, u32 count) {
    u32 found = 0;
    for (u32 i = 0; i < count; found++) {
        u8 head = bytes[i++];
        u32 more = head < 0x80 ? 0 : head >= 0xf0 ? 3 : head >= 0xe0 ? 2 : head >= 0xc2 ? 1 : 9;
        if (more == 9 || i + more > count) {
            return 0;
        }
        for (; more; more--) {
            if ((bytes[i++] & 0xc0) != 0x80) {
                return 0;
            }
        }
    }
    return found;
}

static NOINLINE u32 histogram(const u8 *bytes, u32 count) {
    u32 most = 0;
    memset(counts, 0, sizeof counts);
    for (u32 i = 0; i < count; i++) {
        counts[bytes[i]]++;
    }
    for (u32 i = 1; i < 256; i++) {
        if (counts[i] > counts[most]) {
            most = i;
        }
    }
    return most << 24 | counts[most];
}

EXPORT("initialize") void initialize(void) {
    u64 state = 7;
    for (u32 i = 0; i < SIZE; i++) {
        data[i] = (u8)(next(&state) & next(&state));
    }
    for (u32 i = 0; i < 256; i++) {
        u32 c = i;
        for (u32 k = 0; k < 8; k++) {
            c = c & 1 ? 0xedb88320 ^ (c >> 1) : c >> 1;
        }
        table[i] = c;
    }
}

EXPORT("run") u64 run(void) {
    u64 sum = 0;
    for (u32 round = 0; round < 5; round++) {
        sum = fold(sum, crc32(data, SIZE));
        sum = fold(sum, adler32(data, SIZE));
        to_hex(text, data, SIZE);
        sum = fold(sum, histogram(text, 2 * SIZE));
        sum = fold(sum, characters(text, 2 * SIZE));
        sum = fold(sum, from_hex(data, text, SIZE));
    }
    return sum;
}
