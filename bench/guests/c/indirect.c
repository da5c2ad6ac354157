// Indirect calls: objects of many classes with methods in tables, in an order nobody can predict.
#include "guest.h"

#define OBJECTS 4096
#define CLASSES 8

typedef struct object object;
typedef struct {
    u64 (*step)(object *, u64);
    void (*visit)(object *, u64 *);
} class;

struct object {
    const class *is;
    u64 a, b;
};

static u64 step_add(object *o, u64 x) { return o->a += x; }
static u64 step_xor(object *o, u64 x) { return o->a ^= x; }
static u64 step_rotate(object *o, u64 x) { return o->a = (o->a << 9 | o->a >> 55) + x; }
static u64 step_multiply(object *o, u64 x) { return o->a = o->a * 31 + x; }
static u64 step_swap(object *o, u64 x) {
    u64 t = o->a;
    o->a = o->b;
    return o->b = t ^ x;
}
static u64 step_least(object *o, u64 x) { return o->b < x ? o->b++ : x; }
static u64 step_count(object *o, u64 x) { return ++o->b + (x & 1); }
static u64 step_nothing(object *o, u64 x) { return o->b ^ x; }

static void visit_a(object *o, u64 *sum) { *sum = fold(*sum, o->a); }
static void visit_b(object *o, u64 *sum) { *sum += o->b; }
static void visit_both(object *o, u64 *sum) { *sum ^= o->a + o->b; }

static const class IS[CLASSES] = {
    {step_add, visit_a},      {step_xor, visit_b},   {step_rotate, visit_both},
    {step_multiply, visit_a}, {step_swap, visit_b},  {step_least, visit_both},
    {step_count, visit_a},    {step_nothing, visit_b},
};

static object objects[OBJECTS];

EXPORT("run") u64 run(void) {
    u64 state = 5, sum = 0;
    for (u32 i = 0; i < OBJECTS; i++) {
        objects[i].is = &IS[next(&state) % CLASSES];
        objects[i].a = next(&state);
        objects[i].b = next(&state);
    }
    for (u32 round = 0; round < 40; round++) {
        u64 x = round;
        for (u32 i = 0; i < OBJECTS; i++) {
            x = objects[i].is->step(&objects[i], x);
        }
        for (u32 i = 0; i < OBJECTS; i += 3) {
            objects[i].is->visit(&objects[i], &sum);
        }
        sum ^= x;
    }
    return sum;
}
