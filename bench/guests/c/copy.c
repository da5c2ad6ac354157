// Bulk byte work of the simplest kind: copy, fill, move and compare, in the loops that PVFs hold
// instead of bulk memory operations. Lengths are those of keys, hashes, accounts and storage values.
#include "guest.h"

static NOINLINE void copy_words(u8 *to, const u8 *from, u32 count) {
    while (count >= 8) {
        *(u64 *)to = *(const u64 *)from;
        to += 8;
        from += 8;
        count -= 8;
    }
    while (count--) {
        *to++ = *from++;
    }
}

static NOINLINE void copy_bytes(u8 *to, const u8 *from, u32 count) {
    for (u32 i = 0; i != count; i++) {
        to[i] = from[i];
    }
}

static NOINLINE void copy_backwards(u8 *to, const u8 *from, u32 count) {
    while (count--) {
        to[count] = from[count];
    }
}

static NOINLINE void fill(u8 *to, u8 value, u32 count) {
    for (u32 i = 0; i < count; i++) {
        to[i] = value;
    }
}

static NOINLINE int compare(const u8 *left, const u8 *right, u32 count) {
    for (u32 i = 0; i < count; i++) {
        if (left[i] != right[i]) {
            return left[i] < right[i] ? -1 : 1;
        }
    }
    return 0;
}

static u8 from[65536 + 64], to[65536 + 64];
static const u32 LENGTHS[8] = {4, 16, 32, 33, 80, 200, 1000, 5000};

EXPORT("run") u64 run(void) {
    u64 state = 6, sum = 0;
    for (u32 i = 0; i < sizeof from; i += 8) {
        *(u64 *)(from + i) = next(&state);
    }
    fill(to, 0x5a, 65536);
    for (u32 i = 0; i < 2400; i++) {
        u64 r = next(&state);
        u32 length = LENGTHS[r & 7], a = (r >> 8) & 0x7fff, b = (r >> 24) & 0x7fff;
        copy_bytes(to + a, from + b, length);
        copy_words(to + b, from + a, length);
        copy_backwards(to + a + (r >> 60), to + a, length);
        fill(to + b, (u8)i, length / 4);
        sum = fold(sum, compare(to + a, from + b, length) + 1);
        sum = fold(sum, compare(from + a, from + a, length / 2) + 1);
        sum = fold(sum, *(u64 *)(to + b + length / 2));
    }
    return fold(sum, *(u64 *)(to + 0x4000));
}
