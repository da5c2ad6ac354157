// Recursion: calls and returns with little work between them.
#include "guest.h"

static NOINLINE u64 fib(u32 n) {
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

// Two arguments, and a call whose argument is a call (Ackermann's function, Péter's form).
static NOINLINE u32 ackermann(u32 m, u32 n) {
    if (m == 0) {
        return n + 1;
    }
    return ackermann(m - 1, n == 0 ? 1 : ackermann(m, n - 1));
}

// Mutual recursion with a state that all share.
static u64 moves;

static NOINLINE void hanoi(u32 n, u32 from, u32 to, u32 over) {
    if (n == 0) {
        return;
    }
    hanoi(n - 1, from, over, to);
    moves = fold(moves, from * 3 + to);
    hanoi(n - 1, over, to, from);
}

EXPORT("run") u64 run(void) {
    moves = 0;
    hanoi(15, 0, 2, 1);
    return fold(fold(moves, fib(28)), ackermann(2, 500));
}
