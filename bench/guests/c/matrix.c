// Floating point, every result of which must be canonical: multiplication and elimination of matrices.
#include "guest.h"

#define N 72

static double a[N][N], b[N][N], c[N][N];

static void fill(double m[N][N], u64 state) {
    for (u32 i = 0; i < N; i++) {
        for (u32 j = 0; j < N; j++) {
            m[i][j] = (double)(i64)(next(&state) >> 40) / 1048576.0 - 8.0;
        }
    }
}

static NOINLINE void multiply(void) {
    for (u32 i = 0; i < N; i++) {
        for (u32 j = 0; j < N; j++) {
            double sum = 0;
            for (u32 k = 0; k < N; k++) {
                sum += a[i][k] * b[k][j];
            }
            c[i][j] = sum;
        }
    }
}

// Determinant by elimination without choice of pivots.
static NOINLINE double eliminate(void) {
    double product = 1;
    for (u32 k = 0; k < N; k++) {
        product *= c[k][k] / 4096.0;
        for (u32 i = k + 1; i < N; i++) {
            double factor = c[i][k] / c[k][k];
            for (u32 j = k; j < N; j++) {
                c[i][j] -= factor * c[k][j];
            }
        }
    }
    return product;
}

static u64 bits(double x) {
    union {
        double x;
        u64 bits;
    } it = {x};
    return it.bits;
}

EXPORT("run") u64 run(void) {
    fill(a, 8);
    fill(b, 9);
    u64 sum = 0;
    for (u32 round = 0; round < 3; round++) {
        multiply();
        for (u32 i = 0; i < N; i++) {
            sum = fold(sum, bits(c[i][N - 1 - i]));
        }
        sum = fold(sum, bits(eliminate()));
        a[0][round] += 1;
    }
    return sum;
}
