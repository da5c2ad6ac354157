// What every C guest needs: types, exports, a generator of numbers, and the three memory functions
// that the compiler may call by itself. Memory work is done by plain loops: PVFs have no bulk memory.
#pragma once

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;

#define EXPORT(name) __attribute__((export_name(name)))
#define NOINLINE __attribute__((noinline))

void *memcpy(void *to, const void *from, unsigned long count) {
    u8 *t = to;
    const u8 *f = from;
    while (count--) {
        *t++ = *f++;
    }
    return to;
}

void *memset(void *to, int value, unsigned long count) {
    u8 *t = to;
    while (count--) {
        *t++ = (u8)value;
    }
    return to;
}

int memcmp(const void *left, const void *right, unsigned long count) {
    const u8 *l = left, *r = right;
    for (; count; count--, l++, r++) {
        if (*l != *r) {
            return *l - *r;
        }
    }
    return 0;
}

// The next number of a sequence (xorshift, Marsaglia 2003).
static u64 next(u64 *state) {
    u64 x = *state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}

// Folds a value into a checksum.
static u64 fold(u64 sum, u64 value) {
    sum = (sum ^ value) * 0x9e3779b97f4a7c15ull;
    return sum ^ (sum >> 29);
}
