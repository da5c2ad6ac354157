/* A plugin of qemu-user that records the number of executed instructions at every line that the program writes.
 *
 * `-plugin file=count.so,out=FILE`; FILE gets a decimal number for each write to the standard output. A block is
 * counted with all of its instructions when it is entered. Only an exception leaves a block early, and guests raise
 * none.
 *
 * Debian has no package with qemu-plugin.h; the declarations here are the first version of the interface. */
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define PUBLIC __attribute__((visibility("default")))

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
/* The third parameter says how a callback uses registers; 0 means not at all. */
extern void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct qemu_plugin_tb *));
extern void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, void (*)(unsigned, void *), int, void *);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
extern void qemu_plugin_register_vcpu_syscall_cb(plugin_id,
    void (*)(plugin_id, unsigned, int64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t));

PUBLIC int qemu_plugin_version = 1;

/* The number of the system call on aarch64 Linux. */
enum { WRITE = 64 };

static uint64_t executed;
static FILE *out;

static void entered(unsigned cpu, void *instructions)
{
    (void)cpu;
    executed += (uintptr_t)instructions;
}

static void translated(plugin_id id, struct qemu_plugin_tb *block)
{
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_cb(block, entered, 0, (void *)(uintptr_t)qemu_plugin_tb_n_insns(block));
}

static void called_system(plugin_id id, unsigned cpu, int64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
    uint64_t f, uint64_t g, uint64_t h)
{
    (void)id, (void)cpu, (void)b, (void)c, (void)d, (void)e, (void)f, (void)g, (void)h;
    if (number == WRITE && a == 1) {
        fprintf(out, "%" PRIu64 "\n", executed);
        fflush(out);
    }
}

PUBLIC int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
    static const char option[] = "out=";
    (void)info;
    if (argc == 1 && strncmp(argv[0], option, strlen(option)) == 0)
        out = fopen(argv[0] + strlen(option), "w");
    if (out == NULL) {
        fputs("count: out=FILE, a file that can be written\n", stderr);
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, called_system);
    return 0;
}
