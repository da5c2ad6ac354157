// Sorting: quicksort of numbers with insertion sort for short pieces, and heapsort.
#include "guest.h"

#define COUNT 30000

static u32 numbers[COUNT];

static void swap(u32 *a, u32 *b) {
    u32 t = *a;
    *a = *b;
    *b = t;
}

static void insertion(u32 *a, int count) {
    for (int i = 1; i < count; i++) {
        u32 x = a[i];
        int j = i;
        for (; j > 0 && a[j - 1] > x; j--) {
            a[j] = a[j - 1];
        }
        a[j] = x;
    }
}

static NOINLINE void quick(u32 *a, int count) {
    while (count > 16) {
        u32 x = a[0], y = a[count / 2], z = a[count - 1];
        u32 pivot = x < y ? (y < z ? y : x < z ? z : x) : (x < z ? x : y < z ? z : y);
        int i = 0, j = count - 1;
        while (i <= j) {
            while (a[i] < pivot) {
                i++;
            }
            while (a[j] > pivot) {
                j--;
            }
            if (i <= j) {
                swap(&a[i++], &a[j--]);
            }
        }
        quick(a, j + 1);
        a += i;
        count -= i;
    }
    insertion(a, count);
}

static void sift(u32 *a, u32 at, u32 count) {
    for (;;) {
        u32 child = 2 * at + 1;
        if (child >= count) {
            return;
        }
        if (child + 1 < count && a[child + 1] > a[child]) {
            child++;
        }
        if (a[at] >= a[child]) {
            return;
        }
        swap(&a[at], &a[child]);
        at = child;
    }
}

static NOINLINE void heap(u32 *a, u32 count) {
    for (u32 i = count / 2; i-- > 0;) {
        sift(a, i, count);
    }
    for (u32 end = count; end-- > 1;) {
        swap(&a[0], &a[end]);
        sift(a, 0, end);
    }
}

static void fill(u64 state) {
    for (u32 i = 0; i < COUNT; i++) {
        numbers[i] = (u32)next(&state);
    }
}

static u64 check(void) {
    u64 sum = 0;
    for (u32 i = 0; i < COUNT; i++) {
        sum = fold(sum, numbers[i]);
    }
    return sum;
}

EXPORT("run") u64 run(void) {
    fill(3);
    quick(numbers, COUNT);
    u64 sum = check();
    fill(4);
    heap(numbers, COUNT / 2);
    return fold(sum, check());
}
