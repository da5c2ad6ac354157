// An interpreter's loop: one br_table over the instructions of a small register machine.
#include "guest.h"

enum op { HALT, LI, ADD, SUB, MUL, AND, XOR, SHL, SHR, LD, ST, JNZ, JLT, MOV, INC, DEC, CALL, RET, NOP };

typedef struct {
    u8 op, a, b, c;
    u32 immediate;
} instruction;

// Sieve of Eratosthenes, then a mixing loop with a subroutine.
static const instruction PROGRAM[] = {
    {LI, 0, 0, 0, 2},     // r0: candidate
    {LI, 1, 0, 0, 4000},  // r1: bound
    {LI, 2, 0, 0, 0},     // r2: count of primes
    {LI, 7, 0, 0, 1},     // r7: one
    // 4: next candidate
    {LD, 3, 0, 0, 0},     // r3 = memory[r0]
    {JNZ, 3, 0, 0, 12},   // composite
    {INC, 2, 0, 0, 0},
    {ADD, 4, 0, 0, 0},    // r4 = r0 + r0
    {JLT, 1, 4, 0, 12},   // beyond the bound
    // 9: mark multiples
    {ST, 7, 4, 0, 0},     // memory[r4] = 1
    {ADD, 4, 4, 0, 0},    // r4 += r0
    {JLT, 4, 1, 0, 9},
    // 12
    {INC, 0, 0, 0, 0},
    {JLT, 0, 1, 0, 4},
    // 14: mixing
    {LI, 5, 0, 0, 90000},
    {LI, 6, 0, 0, 12345},
    // 16
    {CALL, 0, 0, 0, 22},
    {XOR, 2, 2, 6, 0},
    {DEC, 5, 0, 0, 0},
    {JNZ, 5, 0, 0, 16},
    {MOV, 0, 2, 0, 0},
    {HALT, 0, 0, 0, 0},
    // 22: r6 = mix(r6)
    {LI, 8, 0, 0, 13},
    {SHL, 9, 6, 8, 0},
    {XOR, 6, 6, 9, 0},
    {LI, 8, 0, 0, 17},
    {SHR, 9, 6, 8, 0},
    {XOR, 6, 6, 9, 0},
    {NOP, 0, 0, 0, 0},
    {LI, 8, 0, 0, 5},
    {SHL, 9, 6, 8, 0},
    {XOR, 6, 6, 9, 0},
    {RET, 0, 0, 0, 0},
};

static u32 memory[4096];
static u32 stack[64];

static NOINLINE u64 interpret(const instruction *program) {
    u32 r[16] = {0};
    u32 pc = 0, depth = 0;
    u64 steps = 0;
    for (;;) {
        const instruction *i = &program[pc++];
        steps++;
        switch (i->op) {
        case HALT: return fold(steps, r[0]);
        case LI: r[i->a] = i->immediate; break;
        case ADD: r[i->a] = r[i->b] + r[i->c]; break;
        case SUB: r[i->a] = r[i->b] - r[i->c]; break;
        case MUL: r[i->a] = r[i->b] * r[i->c]; break;
        case AND: r[i->a] = r[i->b] & r[i->c]; break;
        case XOR: r[i->a] = r[i->b] ^ r[i->c]; break;
        case SHL: r[i->a] = r[i->b] << (r[i->c] & 31); break;
        case SHR: r[i->a] = r[i->b] >> (r[i->c] & 31); break;
        case LD: r[i->a] = memory[(r[i->b] + i->immediate) & 4095]; break;
        case ST: memory[(r[i->b] + i->immediate) & 4095] = r[i->a]; break;
        case JNZ: if (r[i->a]) pc = i->immediate; break;
        case JLT: if (r[i->a] < r[i->b]) pc = i->immediate; break;
        case MOV: r[i->a] = r[i->b]; break;
        case INC: r[i->a]++; break;
        case DEC: r[i->a]--; break;
        case CALL: stack[depth++ & 63] = pc; pc = i->immediate; break;
        case RET: pc = stack[--depth & 63]; break;
        case NOP: break;
        default: __builtin_trap();
        }
    }
}

EXPORT("run") u64 run(void) {
    memset(memory, 0, sizeof memory);
    return interpret(PROGRAM);
}
