// Floating point with square roots and divisions: bodies that attract each other.
#include "guest.h"

#define BODIES 8

typedef struct {
    double x, y, z, vx, vy, vz, mass;
} body;

static body bodies[BODIES];

static void start(void) {
    u64 state = 10;
    for (u32 i = 0; i < BODIES; i++) {
        double *field = &bodies[i].x;
        for (u32 j = 0; j < 7; j++) {
            field[j] = (double)(next(&state) >> 44) / 65536.0 + 0.5;
        }
    }
}

static NOINLINE void advance(double dt) {
    for (u32 i = 0; i < BODIES; i++) {
        body *p = &bodies[i];
        for (u32 j = i + 1; j < BODIES; j++) {
            body *q = &bodies[j];
            double dx = p->x - q->x, dy = p->y - q->y, dz = p->z - q->z;
            double square = dx * dx + dy * dy + dz * dz + 0.01;
            double magnitude = dt / (square * __builtin_sqrt(square));
            p->vx -= dx * q->mass * magnitude;
            p->vy -= dy * q->mass * magnitude;
            p->vz -= dz * q->mass * magnitude;
            q->vx += dx * p->mass * magnitude;
            q->vy += dy * p->mass * magnitude;
            q->vz += dz * p->mass * magnitude;
        }
    }
    for (u32 i = 0; i < BODIES; i++) {
        body *p = &bodies[i];
        p->x += dt * p->vx;
        p->y += dt * p->vy;
        p->z += dt * p->vz;
    }
}

EXPORT("run") u64 run(void) {
    start();
    for (u32 i = 0; i < 3000; i++) {
        advance(0.001);
    }
    u64 sum = 0;
    for (u32 i = 0; i < BODIES; i++) {
        union {
            double x;
            u64 bits;
        } it = {bodies[i].x};
        sum = fold(sum, it.bits);
    }
    return sum;
}
