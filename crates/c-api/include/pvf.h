/*
 * libpvf: Polkadot's parachain validation functions (PVFs), executed so that the outcome is a function of code,
 * candidate and parameters alone.
 *
 *     code --pvf_prepare--> pvf_artifact_t --pvf_new--> pvf_t --pvf_execute(candidate)--> pvf_outcome_t
 *
 * pvf_validate does all three steps at once. An artifact can be kept as bytes or as a file in between.
 *
 * OWNERSHIP. Types that are only declared here are handles. A function that fills a handle gives it to the caller, who
 * deletes it once with the pvf_..._delete of its type. Arguments stay the caller's and are not used after the call
 * (but for the log callback with its data). What an accessor returns as a pointer belongs to its handle and lives as long.
 * No handle refers to another: they can be deleted in any order.
 *
 * POINTERS. Any pointer may be NULL: it means what is said at the function, or is an error (PVF_STATUS_ARGUMENT). `error` may
 * be NULL everywhere, and so may places for numbers. Other pointers have to be valid. Bytes are a pointer and a size; NULL with
 * size 0 is fine. Strings end with NUL where no size goes with them.
 *
 * ERRORS. Functions that can fail return a pvf_status_t. They set `*error` to NULL or to an error with a message, and the
 * handle to be filled to NULL if they fail. No status but PVF_STATUS_OK says that a candidate was judged: a failure of the
 * machine is never an outcome, and must never become a vote. A panic of the library is caught and is PVF_STATUS_INTERNAL. As in
 * most programs in Rust, running out of ordinary heap memory ends the process.
 *
 * THREADS. A pvf_t and a pvf_interrupt_t may be used from any number of threads at the same time, but not be deleted meanwhile. All other
 * handles, and byte vectors, belong to one thread at a time; they may go from one to another. Functions without a
 * handle can be called on any thread at any time. A call lasts as long as the PVF runs; the library starts no thread of its own but
 * in pvf_prepare and pvf_validate, if the parameters ask for several, and those have ended when the call returns.
 *
 * FORK. After fork() a child of a process with one thread may use and delete the handles that it inherits, as the parent may:
 * each has copies of its own, the handlers and memory of PVFs included. In a child of a process with more threads, as in any such
 * child, only exec and what is safe in a signal handler are allowed. Do not fork in a log callback.
 *
 * THE PROCESS. Traps of a PVF are faults of the processor. The first PVF made installs handlers for SIGSEGV, SIGBUS, SIGFPE and
 * SIGILL for the process, and the first execution with a time or an interrupt one for a real-time signal, the last that nobody handles
 * (and a timer for each such execution); what is not a PVF's goes to the handlers that were there before. Who installs handlers later has to
 * pass on what is not theirs, the same way. A thread that executes gets an alternate signal stack of 64 KiB if it has none as
 * large. Each execution reserves about 8 GiB of addresses (not of memory), so there may be no limit on them (ulimit -v). The
 * library stays loaded after dlclose.
 *
 * Made by cbindgen from crates/c-api/src; do not edit.
 */

#ifndef PVF_H
#define PVF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Bytes of a digest.
#define PVF_DIGEST_BYTES 32

// What became of a call.
//
// Only OK and REJECTED say something about the code or the candidate. All others are about this call on
// this machine and never an outcome: a node must not vote on them.
typedef enum pvf_status_t {
    // It did what it should. An outcome of "invalid" or "rejected" is OK too.
    PVF_STATUS_OK = 0,
    // An argument is NULL that may not be, or a size is impossible.
    PVF_STATUS_ARGUMENT = 1,
    // The parameters are not possible, or not those that the artifact was prepared with.
    PVF_STATUS_PARAMETERS = 2,
    // pvf_prepare rejected the code, as every machine does. pvf_validate makes an outcome of this.
    PVF_STATUS_REJECTED = 3,
    // The bytes or the file are not an intact artifact of this version and this machine's instruction set.
    PVF_STATUS_ARTIFACT = 4,
    // A file could not be read or written.
    PVF_STATUS_IO = 5,
    // The machine could not do its part (memory, address space, processor). It may be worth trying again.
    PVF_STATUS_HOST = 6,
    // The library is broken; please report the message.
    PVF_STATUS_INTERNAL = 7,
    // Somebody raised the interrupt, or the time was up (timeout_ms): the candidate has not been judged.
    PVF_STATUS_INTERRUPTED = 8,
} pvf_status_t;

// How important a PVF thinks a log line is.
typedef enum pvf_log_level_t {
    // Errors.
    PVF_LOG_ERROR = 0,
    // Warnings.
    PVF_LOG_WARN = 1,
    // Useful information.
    PVF_LOG_INFO = 2,
    // Details for the author.
    PVF_LOG_DEBUG = 3,
    // All the rest.
    PVF_LOG_TRACE = 4,
} pvf_log_level_t;

// The class of an outcome.
typedef enum pvf_class_t {
    // There is no outcome (the argument was NULL).
    PVF_CLASS_NONE = 0,
    // The candidate is valid; there is a result.
    PVF_CLASS_VALID = 1,
    // The candidate is invalid; there is a reason, and a trap if one ended the run.
    PVF_CLASS_INVALID = 2,
    // The code was rejected; there are a reason, a rule and a stage.
    PVF_CLASS_REJECTED = 3,
} pvf_class_t;

// The stage at which code was rejected.
typedef enum pvf_stage_t {
    // It was not.
    PVF_STAGE_NONE = 0,
    // It cannot be prepared: damaged, not the accepted language, beyond a limit.
    PVF_STAGE_PREPARE = 1,
    // It cannot be instantiated: imports, segments, too large a memory, a start function that traps.
    PVF_STAGE_CONSTRUCT = 2,
} pvf_stage_t;

// The kind of a trap.
typedef enum pvf_trap_t {
    // No trap.
    PVF_TRAP_NONE = -1,
    // The `unreachable` instruction was executed.
    PVF_TRAP_UNREACHABLE = 0,
    // A call would have taken a stack beyond its limit.
    PVF_TRAP_STACK_OVERFLOW = 1,
    // A block costs more than the gas that is left.
    PVF_TRAP_OUT_OF_GAS = 2,
    // A load, store or bulk operation reached outside the memory.
    PVF_TRAP_MEMORY_OUT_OF_BOUNDS = 3,
    // A table operation or indirect call reached outside the table.
    PVF_TRAP_TABLE_OUT_OF_BOUNDS = 4,
    // An indirect call named another type than the function has.
    PVF_TRAP_INDIRECT_CALL_TYPE_MISMATCH = 5,
    // An indirect call reached an entry that holds no function.
    PVF_TRAP_UNDEFINED_ELEMENT = 6,
    // An integer was divided by zero.
    PVF_TRAP_INTEGER_DIVIDE_BY_ZERO = 7,
    // A quotient or a converted float does not fit its integer type.
    PVF_TRAP_INTEGER_OVERFLOW = 8,
    // A NaN was to be converted to an integer.
    PVF_TRAP_INVALID_CONVERSION_TO_INTEGER = 9,
    // A host function failed, or one that does not exist was called.
    PVF_TRAP_HOST_ERROR = 10,
} pvf_trap_t;

// What a meter does.
typedef enum pvf_meter_t {
    // Nothing: it is not in the code.
    PVF_METER_OFF = 0,
    // It counts without a limit.
    PVF_METER_COUNT = 1,
    // It counts, and its limit ends a run.
    PVF_METER_LIMIT = 2,
} pvf_meter_t;

// A network whose parameters the library knows, as they were last seen in force.
typedef enum pvf_network_t {
    // Polkadot. The default everywhere.
    PVF_NETWORK_POLKADOT = 0,
    // Kusama.
    PVF_NETWORK_KUSAMA = 1,
    // Paseo, the test network.
    PVF_NETWORK_PASEO = 2,
    // Westend, the test network.
    PVF_NETWORK_WESTEND = 3,
    // No network: what the protocol says where a network has set nothing. 2,080 pages of memory, 2 and 12 seconds.
    PVF_NETWORK_PROTOCOL = 4,
} pvf_network_t;

// Prepared code: machine code with what belongs to it. Becomes a pvf_t to be executed, or bytes to be kept.
typedef struct pvf_artifact_t pvf_artifact_t;

// Why a call failed: a status and a message.
typedef struct pvf_error_t pvf_error_t;

// A switch by which another thread ends executions. It is raised once and stays raised; for the next execution make another.
typedef struct pvf_interrupt_t pvf_interrupt_t;

// What an execution says about a candidate, and what was measured that is the same on every machine.
typedef struct pvf_outcome_t pvf_outcome_t;

// A PVF ready to be executed, with its parameters. The one handle that any number of threads may use at the same time.
typedef struct pvf_t pvf_t;

// Takes a line that a PVF logged. Cannot change an outcome.
//
// It is called on the thread that executes the PVF, so by several at once if several execute. `target` (what part of
// the PVF the line is from) and `message` are UTF-8 without a NUL at the end, and gone when it returns. They are
// untrusted text. It must return: no exception, no longjmp.
typedef void (*pvf_log_callback_t)(void *data,
                                   enum pvf_log_level_t level,
                                   const char *target,
                                   size_t target_size,
                                   const char *message,
                                   size_t message_size);

// What an outcome depends on beside code and candidate. For all validators of a network it has to be the same.
//
// Always begin with pvf_parameters_init, then change fields. Wherever a function takes parameters, NULL means the
// defaults, which are what Polkadot's network had set when it was last seen (pvf_network_seen). For another network, or the parameters
// of a session, call pvf_parameters_set_network or pvf_parameters_set_executor_params. Fields may be added at the end in later versions;
// `struct_size` tells the library which ones its caller knows.
//
// The meters are part of the prepared code: logical_stack_meter, gas_meter and gas_schedule have to be the same (but COUNT
// instead of LIMIT, or the other way round) for pvf_prepare and for pvf_new or pvf_open. The limits themselves can differ.
typedef struct pvf_parameters_t {
    // Size of this struct in bytes, as the caller's header has it; set by pvf_parameters_init.
    size_t struct_size;
    // Polkadot's StackNativeMax: largest sum of the frames of all active functions, in bytes. Default: 256 MiB.
    uint64_t stack_native_max;
    // Largest gas of a run. Only with gas_meter LIMIT, otherwise 0. Default: 0.
    uint64_t gas_limit;
    // Polkadot's StackLogicalMax, in units of its stack limiter. Not looked at without logical_stack_meter LIMIT.
    // Default: 65,536.
    uint32_t stack_logical_max;
    // A pvf_meter_t: is the logical stack counted? Default: LIMIT.
    uint32_t logical_stack_meter;
    // A pvf_meter_t: is gas counted? Default: OFF.
    uint32_t gas_meter;
    // Largest size of the memory in pages of 64 KiB, whatever the code declares. Default: 8,224.
    uint32_t max_memory_pages;
    // Threads that compile, at most 512; the artifact does not depend on it. 0: as many as there are processors. Default: 1,
    // which is the caller's, so that the library starts none.
    uint32_t threads;
    // 1 if the 12 elliptic-curve host functions of RFC 163 exist, otherwise 0. Default: 0.
    uint32_t ecc_rfc163;
    // What instructions cost, as TOML or JSON, UTF-8 with NUL at the end; read only during the call. Only with
    // a gas_meter that is not OFF. NULL (the default): 1 each.
    const char *gas_schedule;
    // Receives the PVF's log lines, as long as the pvf_t made with it lives. With NULL, the default, log lines are dropped.
    pvf_log_callback_t log;
    // Passed to `log`. Not looked at.
    void *log_data;
    // Milliseconds of CPU time that the network gives an execution for backing. Not looked at: for the caller's clock.
    // Default: 2,500.
    uint64_t backing_timeout_ms;
    // The same for approvals and disputes. Default: 15,000.
    uint64_t approval_timeout_ms;
    // Milliseconds on the clock after which an execution is ended, with status INTERRUPTED and no outcome. 0 (the default): never.
    uint64_t timeout_ms;
} pvf_parameters_t;

// Bytes of the caller's. Delete with pvf_byte_vec_delete; do not change the fields of one that the library filled.
typedef struct pvf_byte_vec_t {
    // How many.
    size_t size;
    // Address of the first byte; NULL if there are no bytes.
    uint8_t *data;
} pvf_byte_vec_t;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// The version of the library, such as "0.1.0". Static.
const char *pvf_version(void);

// The status that the call returned. NULL: OK.
enum pvf_status_t pvf_error_status(const struct pvf_error_t *error);

// What went wrong, in English, UTF-8. Lives as long as the error. NULL: "".
const char *pvf_error_message(const struct pvf_error_t *error);

// The number of the rule of the specification by which pvf_prepare turned code down, such as "LIMIT-2". Lives as long as the error.
// NULL if the status is not REJECTED.
const char *pvf_error_rule(const struct pvf_error_t *error);

// Deletes an error. NULL: nothing.
void pvf_error_delete(struct pvf_error_t *error);

// A status in a few words, such as "not an intact artifact". Static; "unknown status" for any other number.
const char *pvf_status_name(int status);

// Sets the defaults. `struct_size` is `sizeof(pvf_parameters_t)`.
//
// ARGUMENT if `parameters` is NULL or no version has this size.
enum pvf_status_t pvf_parameters_init(struct pvf_parameters_t *parameters, size_t struct_size);

// The name of a network (a pvf_network_t), such as "polkadot". Static; NULL for any other number.
const char *pvf_network_name(int network);

// When the parameters of a network (a pvf_network_t) were seen in force, as "2026-07". Static; NULL if they were not, but are assumed, or
// for any other number.
const char *pvf_network_seen(int network);

// Sets what a network (a pvf_network_t) decides: stack_native_max, stack_logical_max, max_memory_pages, ecc_rfc163,
// backing_timeout_ms, approval_timeout_ms. Other fields stay. PARAMETERS for any other number.
enum pvf_status_t pvf_parameters_set_network(struct pvf_parameters_t *parameters,
                                             int network,
                                             struct pvf_error_t **error);

// The same by the parameters of a session: SCALE-encoded ExecutorParams, as runtimes return them and keep them in
// `configuration.activeConfig`. What they do not name has the protocol's default. PARAMETERS if they cannot be decoded, or
// name something that this library does not know: then nothing may be judged in that session.
enum pvf_status_t pvf_parameters_set_executor_params(struct pvf_parameters_t *parameters,
                                                     const uint8_t *executor_params,
                                                     size_t executor_params_size,
                                                     struct pvf_error_t **error);

// Makes a vector empty: one to be passed to a function that fills it does not have to be.
void pvf_byte_vec_new_empty(struct pvf_byte_vec_t *vec);

// Frees the bytes and makes the vector empty, so that deleting it again does nothing. NULL: nothing.
void pvf_byte_vec_delete(struct pvf_byte_vec_t *vec);

// Prepares code: a module as it is on chain, in the binary format, compressed as Substrate does or not.
//
// REJECTED if the code is not acceptable to a validator that compiles it, which is the same on every machine: it cannot be
// decompressed, is not the accepted language, or is beyond a limit. The message says what and where, pvf_error_rule by which rule.
// Imports are resolved when candidates are judged: if they cannot be, every outcome is "rejected", at the stage "construct".
// HOST or INTERNAL if this machine or the library could not do its part, which says nothing about the code. INTERNAL is also
// what code is that the verifier refuses: the machine code is checked against the module before the artifact is returned.
// Takes from the parameters the meters, the gas schedule and the number of threads. The artifact's bytes depend on the code, the
// meters, the schedule, the version of the library and the instruction set alone.
enum pvf_status_t pvf_prepare(const uint8_t *code,
                              size_t code_size,
                              const struct pvf_parameters_t *parameters,
                              struct pvf_artifact_t **artifact,
                              struct pvf_error_t **error);

// Makes an artifact of bytes that pvf_artifact_to_bytes or pvf_artifact_write gave.
//
// WARNING: an artifact holds machine code, which pvf_new makes executable. What is checked (version, lengths, checksum) finds
// accidents and not forgeries: bytes chosen by an attacker run any code in this process. Take artifacts from
// nowhere but a place that only you can write to, never from a network.
enum pvf_status_t pvf_artifact_from_bytes(const uint8_t *bytes,
                                          size_t size,
                                          struct pvf_artifact_t **artifact,
                                          struct pvf_error_t **error);

// Gives the bytes of an artifact, to be kept and read by pvf_artifact_from_bytes of the same version of the library.
//
// Overwrites `bytes` without deleting what it was; it is empty if the call fails.
enum pvf_status_t pvf_artifact_to_bytes(const struct pvf_artifact_t *artifact,
                                        struct pvf_byte_vec_t *bytes,
                                        struct pvf_error_t **error);

// Writes an artifact to a file, whole or not at all: readers see the old file or the new one. See pvf_open.
enum pvf_status_t pvf_artifact_write(const struct pvf_artifact_t *artifact,
                                     const char *path,
                                     struct pvf_error_t **error);

// Writes the BLAKE2b-256 of an artifact's bytes to `digest`, 32 bytes; it tells whether two machines prepared the same.
// ARGUMENT if something is NULL.
enum pvf_status_t pvf_artifact_digest(const struct pvf_artifact_t *artifact, uint8_t *digest);

// Deletes an artifact. What was made of it lives on. NULL: nothing.
void pvf_artifact_delete(struct pvf_artifact_t *artifact);

// Makes an interrupt that has not been raised.
enum pvf_status_t pvf_interrupt_new(struct pvf_interrupt_t **interrupt, struct pvf_error_t **error);

// Ends the executions under this interrupt (pvf_execute_interruptible), however many there are, on whatever threads, and every one that
// begins later: they return INTERRUPTED. It does not wait for them. It takes a lock, so a signal handler may not call it. NULL:
// nothing.
void pvf_interrupt_raise(const struct pvf_interrupt_t *interrupt);

// Whether it was raised. NULL: false.
bool pvf_interrupt_is_raised(const struct pvf_interrupt_t *interrupt);

// Deletes an interrupt. No thread may be raising it or executing under it. NULL: nothing.
void pvf_interrupt_delete(struct pvf_interrupt_t *interrupt);

// Makes a PVF of an artifact, which stays the caller's and can be deleted or used again, with other limits too.
//
// PARAMETERS if the meters are not those that the artifact was prepared with; ARTIFACT if it is for another
// instruction set. Takes from the parameters all but the number of threads.
enum pvf_status_t pvf_new(const struct pvf_artifact_t *artifact,
                          const struct pvf_parameters_t *parameters,
                          struct pvf_t **pvf,
                          struct pvf_error_t **error);

// Makes a PVF of a file that pvf_artifact_write wrote: it is mapped and executed where it lies, which is by far the
// fastest way.
//
// The WARNING at pvf_artifact_from_bytes holds here. The file may be replaced or deleted while the PVF exists, but never
// changed in place; if it is cut short, executions end with HOST.
enum pvf_status_t pvf_open(const char *path,
                           const struct pvf_parameters_t *parameters,
                           struct pvf_t **pvf,
                           struct pvf_error_t **error);

// Executes a PVF: judges a candidate, in an instance of its own.
//
// `candidate` is the SCALE-encoded ValidationParams, passed to the PVF as it is. If the status is OK there is an
// outcome, whatever it says; if not, the candidate has not been judged.
enum pvf_status_t pvf_execute(const struct pvf_t *pvf,
                              const uint8_t *candidate,
                              size_t candidate_size,
                              struct pvf_outcome_t **outcome,
                              struct pvf_error_t **error);

// As pvf_execute, but ends with INTERRUPTED and without an outcome when the interrupt is raised, by whatever thread. Any number of
// executions can be under one interrupt. What a host function is doing it does to its end. NULL for the interrupt: as pvf_execute.
enum pvf_status_t pvf_execute_interruptible(const struct pvf_t *pvf,
                                            const uint8_t *candidate,
                                            size_t candidate_size,
                                            const struct pvf_interrupt_t *interrupt,
                                            struct pvf_outcome_t **outcome,
                                            struct pvf_error_t **error);

// Prepares and executes in one: pvf_prepare, pvf_new, pvf_execute, and everything but the outcome deleted. Code that
// pvf_prepare rejects gives the outcome "rejected", too.
enum pvf_status_t pvf_validate(const uint8_t *code,
                               size_t code_size,
                               const uint8_t *candidate,
                               size_t candidate_size,
                               const struct pvf_parameters_t *parameters,
                               struct pvf_outcome_t **outcome,
                               struct pvf_error_t **error);

// Deletes a PVF. No thread may be executing it. Its outcomes live on. NULL: nothing.
void pvf_delete(struct pvf_t *pvf);

// Says whether the candidate is valid. The class of NULL is NONE, so that an unchecked error is not taken for a valid candidate.
enum pvf_class_t pvf_outcome_class(const struct pvf_outcome_t *outcome);

// The stage at which the code was rejected, if it was.
enum pvf_stage_t pvf_outcome_stage(const struct pvf_outcome_t *outcome);

// The kind of the trap that ended the run, if one did.
enum pvf_trap_t pvf_outcome_trap(const struct pvf_outcome_t *outcome);

// Writes the index of the function that trapped (imports counted) to `function`; false if it is not known or there was no
// trap.
bool pvf_outcome_trap_function(const struct pvf_outcome_t *outcome,
                               uint32_t *function);

// Writes the offset of the instruction that trapped in the decompressed module to `offset`; false if it is not known or
// there was no trap.
bool pvf_outcome_trap_offset(const struct pvf_outcome_t *outcome, uint32_t *offset);

// The result of a valid candidate, a SCALE-encoded ValidationResult, and its size to `size`. Lives as long as the
// outcome. NULL and 0 without a result.
const uint8_t *pvf_outcome_result(const struct pvf_outcome_t *outcome, size_t *size);

// What is wrong, UTF-8. Lives as long as the outcome. NULL if it is valid.
//
// It may quote what the PVF said: untrusted text. It is not part of the digest, and later versions may say it better.
const char *pvf_outcome_reason(const struct pvf_outcome_t *outcome);

// The rule of the specification that rejected the code, such as "LIMIT-2". The text lives as long as the outcome.
// NULL if it was not. It is not part of the digest; the stage is.
const char *pvf_outcome_rule(const struct pvf_outcome_t *outcome);

// Writes the gas that the run used to `gas`; false if it was not counted.
bool pvf_outcome_gas_used(const struct pvf_outcome_t *outcome, uint64_t *gas);

// Largest sum of the frames of active functions, in bytes.
uint64_t pvf_outcome_stack_native_peak(const struct pvf_outcome_t *outcome);

// Writes the largest height of the logical stack, in units, to `units`; false if it was not counted.
bool pvf_outcome_stack_logical_peak(const struct pvf_outcome_t *outcome, uint64_t *units);

// Largest size of the memory, in pages.
uint32_t pvf_outcome_memory_pages_peak(const struct pvf_outcome_t *outcome);

// Writes the digest to `digest`, 32 bytes: what two machines compare instead of outcomes. It covers class, result, kind of trap,
// stage, gas, peaks. ARGUMENT if something is NULL.
enum pvf_status_t pvf_outcome_digest(const struct pvf_outcome_t *outcome,
                                     uint8_t *digest);

// Deletes an outcome. NULL: nothing.
void pvf_outcome_delete(struct pvf_outcome_t *outcome);

// The name of a kind of trap as in the conformance vectors, such as "stack_overflow". Static; "none" for NONE and "unknown" for any
// other number.
const char *pvf_trap_name(int trap);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* PVF_H */
