/*
 * Every function of the library as it should be used, with NULL and with wrong input, by several threads and by several processes.
 *
 *     all FIXTURES SCRATCH
 */
#include "check.h"

#include <pthread.h>
#include <time.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *fixtures;
static char artifact_path[4096];
static char digest_text[2 * PVF_DIGEST_BYTES + 1];

static const char *digest_of(const pvf_outcome_t *outcome)
{
    uint8_t digest[PVF_DIGEST_BYTES];

    CHECK(pvf_outcome_digest(outcome, digest) == PVF_STATUS_OK);
    for (int i = 0; i < PVF_DIGEST_BYTES; i++)
        sprintf(digest_text + 2 * i, "%02x", digest[i]);
    return digest_text;
}

static pvf_parameters_t defaults(void)
{
    pvf_parameters_t parameters;

    memset(&parameters, 0xff, sizeof parameters);
    CHECK(pvf_parameters_init(&parameters, sizeof parameters) == PVF_STATUS_OK);
    return parameters;
}

/* A PVF of a fixture. */
static pvf_t *fixture(const char *name, const pvf_parameters_t *parameters)
{
    bytes_t code = read_file(fixtures, name);
    pvf_artifact_t *artifact;
    pvf_error_t *error;
    pvf_t *pvf;

    CHECK(pvf_prepare(code.data, code.size, parameters, &artifact, &error) == PVF_STATUS_OK);
    CHECK(artifact && !error);
    CHECK(pvf_new(artifact, parameters, &pvf, &error) == PVF_STATUS_OK);
    CHECK(pvf && !error);
    pvf_artifact_delete(artifact);
    free(code.data);
    return pvf;
}

static pvf_outcome_t *execute(const pvf_t *pvf, const char *name)
{
    bytes_t candidate = read_file(fixtures, name);
    pvf_outcome_t *outcome;

    CHECK(pvf_execute(pvf, candidate.data, candidate.size, &outcome, NULL) == PVF_STATUS_OK);
    CHECK(outcome);
    free(candidate.data);
    return outcome;
}

static void a_valid_candidate(void)
{
    bytes_t code = read_file(fixtures, "ledger/code.wasm"), candidate = read_file(fixtures, "ledger/transfer.params");
    bytes_t expected = read_file(fixtures, "ledger/transfer.result");
    pvf_outcome_t *outcome;
    pvf_error_t *error;
    const uint8_t *result;
    size_t size;
    uint64_t units, gas;
    uint32_t place;

    CHECK(pvf_validate(code.data, code.size, candidate.data, candidate.size, NULL, &outcome, &error) == PVF_STATUS_OK);
    CHECK(outcome && !error);
    CHECK(pvf_outcome_class(outcome) == PVF_CLASS_VALID);
    CHECK(pvf_outcome_stage(outcome) == PVF_STAGE_NONE);
    CHECK(pvf_outcome_trap(outcome) == PVF_TRAP_NONE);
    CHECK(!pvf_outcome_reason(outcome));
    result = pvf_outcome_result(outcome, &size);
    CHECK(size == expected.size && memcmp(result, expected.data, size) == 0);
    CHECK(pvf_outcome_result(outcome, NULL) == result);
    CHECK(!strcmp(digest_of(outcome), "2a796c2fa90605656b954c039e993d0baaf52860596d0fc47269334f29a2c292"));
    CHECK(pvf_outcome_stack_native_peak(outcome) == 800);
    CHECK(pvf_outcome_stack_logical_peak(outcome, &units) && units == 99);
    CHECK(pvf_outcome_stack_logical_peak(outcome, NULL));
    CHECK(!pvf_outcome_gas_used(outcome, &gas));
    CHECK(pvf_outcome_memory_pages_peak(outcome) == 17);
    CHECK(!pvf_outcome_trap_function(outcome, &place) && !pvf_outcome_trap_offset(outcome, &place));
    pvf_outcome_delete(outcome);
    free(expected.data);
    free(candidate.data);
    free(code.data);
}

static void an_invalid_candidate(void)
{
    pvf_t *pvf = fixture("ledger/code.wasm", NULL);
    pvf_outcome_t *outcome = execute(pvf, "ledger/too-poor.params");
    uint32_t function = UINT32_MAX, offset = UINT32_MAX;
    size_t size = 1;

    pvf_delete(pvf);
    CHECK(pvf_outcome_class(outcome) == PVF_CLASS_INVALID);
    CHECK(pvf_outcome_trap(outcome) == PVF_TRAP_UNREACHABLE);
    CHECK(!strcmp(pvf_trap_name(pvf_outcome_trap(outcome)), "unreachable"));
    CHECK(strlen(pvf_outcome_reason(outcome)) > 0);
    CHECK(pvf_outcome_trap_function(outcome, &function) && function != UINT32_MAX);
    CHECK(pvf_outcome_trap_offset(outcome, &offset) && offset != UINT32_MAX);
    CHECK(pvf_outcome_trap_offset(outcome, NULL));
    CHECK(!pvf_outcome_result(outcome, &size) && size == 0);
    pvf_outcome_delete(outcome);
}

/* Traps that are faults of the processor: SIGSEGV, SIGFPE, SIGILL, and the end of the stack. */
static void traps(const pvf_t *forth)
{
    static const struct {
        const char *candidate;
        pvf_trap_t trap;
    } cases[] = {
        {"forth/load-beyond.params", PVF_TRAP_MEMORY_OUT_OF_BOUNDS},
        {"forth/store-beyond.params", PVF_TRAP_MEMORY_OUT_OF_BOUNDS},
        {"forth/div-zero.params", PVF_TRAP_INTEGER_DIVIDE_BY_ZERO},
        {"forth/div-overflow.params", PVF_TRAP_INTEGER_OVERFLOW},
        {"forth/cut-nan.params", PVF_TRAP_INVALID_CONVERSION_TO_INTEGER},
        {"forth/no-function.params", PVF_TRAP_UNDEFINED_ELEMENT},
        {"forth/wrong-type.params", PVF_TRAP_INDIRECT_CALL_TYPE_MISMATCH},
        {"forth/beyond-table.params", PVF_TRAP_TABLE_OUT_OF_BOUNDS},
        {"forth/bottomless.params", PVF_TRAP_STACK_OVERFLOW},
        {"forth/underflow.params", PVF_TRAP_UNREACHABLE},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pvf_outcome_t *outcome = execute(forth, cases[i].candidate);

        CHECK(pvf_outcome_class(outcome) == PVF_CLASS_INVALID);
        CHECK(pvf_outcome_trap(outcome) == cases[i].trap);
        pvf_outcome_delete(outcome);
    }
}

static void rejected_code(void)
{
    static const unsigned char nonsense[] = "nonsense";
    static const unsigned char text[] = "(module)";
    static const unsigned char compressed[] = "\x52\xbc\x53\x76\x46\xdb\x8e\x05 and no frames";
    static const unsigned char empty_module[] = "\0asm\1\0\0\0";
    pvf_artifact_t *artifact;
    pvf_outcome_t *outcome;
    pvf_error_t *error;

    CHECK_FAILURE(pvf_prepare(nonsense, 8, NULL, &artifact, &error), PVF_STATUS_REJECTED, "");
    CHECK(!artifact);
    CHECK_FAILURE(pvf_prepare(text, 8, NULL, &artifact, &error), PVF_STATUS_REJECTED, "");
    CHECK_FAILURE(pvf_prepare(compressed, 22, NULL, &artifact, &error), PVF_STATUS_REJECTED, "zstd");
    CHECK(pvf_prepare(compressed, 22, NULL, &artifact, &error) == PVF_STATUS_REJECTED);
    CHECK(!strcmp(pvf_error_rule(error), "CODE-2"));
    pvf_error_delete(error);
    CHECK_FAILURE(pvf_prepare(NULL, 0, NULL, &artifact, &error), PVF_STATUS_REJECTED, "");

    CHECK(pvf_validate(nonsense, 8, NULL, 0, NULL, &outcome, &error) == PVF_STATUS_OK && !error);
    CHECK(pvf_outcome_class(outcome) == PVF_CLASS_REJECTED);
    CHECK(pvf_outcome_stage(outcome) == PVF_STAGE_PREPARE);
    CHECK(pvf_outcome_trap(outcome) == PVF_TRAP_NONE);
    CHECK(strlen(pvf_outcome_reason(outcome)) > 0);
    CHECK(!strcmp(pvf_outcome_rule(outcome), "NET-2"));
    pvf_outcome_delete(outcome);

    /* It can be prepared, but has no memory and no validate_block. */
    CHECK(pvf_validate(empty_module, 8, NULL, 0, NULL, &outcome, &error) == PVF_STATUS_OK && !error);
    CHECK(pvf_outcome_class(outcome) != PVF_CLASS_VALID);
    CHECK(pvf_outcome_reason(outcome) != NULL);
    CHECK(!pvf_outcome_rule(outcome));
    pvf_outcome_delete(outcome);
}

static void artifacts(void)
{
    bytes_t code = read_file(fixtures, "adder/code.compressed.wasm");
    pvf_artifact_t *artifact, *again;
    pvf_byte_vec_t bytes, more;
    uint8_t digest[PVF_DIGEST_BYTES], digest_again[PVF_DIGEST_BYTES];
    pvf_outcome_t *outcome;
    pvf_error_t *error;
    pvf_t *pvf;

    CHECK(pvf_prepare(code.data, code.size, NULL, &artifact, &error) == PVF_STATUS_OK);
    CHECK(pvf_artifact_digest(artifact, digest) == PVF_STATUS_OK);
    pvf_byte_vec_new_empty(&bytes);
    CHECK(bytes.size == 0 && !bytes.data);
    CHECK(pvf_artifact_to_bytes(artifact, &bytes, &error) == PVF_STATUS_OK && !error);
    CHECK(bytes.size > 0 && bytes.data);
    CHECK(pvf_artifact_write(artifact, artifact_path, &error) == PVF_STATUS_OK && !error);
    CHECK_FAILURE(pvf_artifact_write(artifact, "/nowhere/at/all", &error), PVF_STATUS_IO, "/nowhere/at/all");
    pvf_artifact_delete(artifact);

    CHECK(pvf_artifact_from_bytes(bytes.data, bytes.size, &again, &error) == PVF_STATUS_OK);
    CHECK(pvf_artifact_digest(again, digest_again) == PVF_STATUS_OK);
    CHECK(memcmp(digest, digest_again, sizeof digest) == 0);
    CHECK(pvf_artifact_to_bytes(again, &more, NULL) == PVF_STATUS_OK);
    CHECK(more.size == bytes.size && memcmp(more.data, bytes.data, more.size) == 0);
    pvf_byte_vec_delete(&more);
    pvf_byte_vec_delete(&more);
    CHECK(pvf_new(again, NULL, &pvf, &error) == PVF_STATUS_OK);
    pvf_artifact_delete(again);
    outcome = execute(pvf, "adder/add-1.params");
    CHECK(pvf_outcome_class(outcome) == PVF_CLASS_VALID);
    pvf_delete(pvf);
    pvf_outcome_delete(outcome);

    CHECK(pvf_open(artifact_path, NULL, &pvf, &error) == PVF_STATUS_OK && !error);
    outcome = execute(pvf, "adder/wrong-parent.params");
    CHECK(pvf_outcome_class(outcome) == PVF_CLASS_INVALID);
    pvf_outcome_delete(outcome);
    pvf_delete(pvf);
    CHECK_FAILURE(pvf_open("/nowhere/at/all", NULL, &pvf, &error), PVF_STATUS_IO, "/nowhere/at/all");
    CHECK(!pvf);
    CHECK_FAILURE(pvf_open(fixtures, NULL, &pvf, &error), PVF_STATUS_IO, "");

    /* Damaged in any way. */
    CHECK_FAILURE(pvf_artifact_from_bytes(bytes.data, bytes.size - 1, &again, &error), PVF_STATUS_ARTIFACT, "");
    CHECK_FAILURE(pvf_artifact_from_bytes(NULL, 0, &again, &error), PVF_STATUS_ARTIFACT, "not an artifact");
    bytes.data[bytes.size / 2] ^= 1;
    CHECK_FAILURE(pvf_artifact_from_bytes(bytes.data, bytes.size, &again, &error), PVF_STATUS_ARTIFACT, "damaged");
    CHECK(!again);
    pvf_byte_vec_delete(&bytes);
    CHECK(bytes.size == 0 && !bytes.data);
    free(code.data);
}

static void gas_and_limits(void)
{
    bytes_t code = read_file(fixtures, "ledger/code.wasm");
    pvf_parameters_t parameters = defaults();
    pvf_artifact_t *artifact;
    pvf_outcome_t *outcome;
    pvf_error_t *error;
    pvf_t *pvf;
    uint64_t gas = 0, more = 0;

    parameters.gas_meter = PVF_METER_COUNT;
    parameters.logical_stack_meter = PVF_METER_OFF;
    parameters.threads = 0;
    CHECK(pvf_prepare(code.data, code.size, &parameters, &artifact, &error) == PVF_STATUS_OK);
    CHECK(pvf_new(artifact, &parameters, &pvf, &error) == PVF_STATUS_OK);
    outcome = execute(pvf, "ledger/transfer.params");
    CHECK(pvf_outcome_class(outcome) == PVF_CLASS_VALID);
    CHECK(pvf_outcome_gas_used(outcome, &gas) && gas > 0);
    CHECK(!pvf_outcome_stack_logical_peak(outcome, NULL));
    pvf_outcome_delete(outcome);
    pvf_delete(pvf);

    /* The same artifact with a limit: enough, and one too little. */
    for (int enough = 0; enough < 2; enough++) {
        parameters.gas_meter = PVF_METER_LIMIT;
        parameters.gas_limit = enough ? gas : gas - 1;
        CHECK(pvf_new(artifact, &parameters, &pvf, &error) == PVF_STATUS_OK);
        outcome = execute(pvf, "ledger/transfer.params");
        CHECK(pvf_outcome_class(outcome) == (enough ? PVF_CLASS_VALID : PVF_CLASS_INVALID));
        CHECK(pvf_outcome_trap(outcome) == (enough ? PVF_TRAP_NONE : PVF_TRAP_OUT_OF_GAS));
        pvf_outcome_delete(outcome);
        pvf_delete(pvf);
    }
    CHECK_FAILURE(pvf_new(artifact, NULL, &pvf, &error), PVF_STATUS_PARAMETERS, "logical stack meter");
    CHECK(!pvf);
    parameters.gas_schedule = "default = 2\nper_local = 2";
    CHECK_FAILURE(pvf_new(artifact, &parameters, &pvf, &error), PVF_STATUS_PARAMETERS, "gas schedule");
    pvf_artifact_delete(artifact);

    parameters.gas_limit = 0;
    parameters.gas_meter = PVF_METER_COUNT;
    CHECK(pvf_prepare(code.data, code.size, &parameters, &artifact, &error) == PVF_STATUS_OK);
    CHECK(pvf_new(artifact, &parameters, &pvf, &error) == PVF_STATUS_OK);
    pvf_artifact_delete(artifact);
    outcome = execute(pvf, "ledger/transfer.params");
    CHECK(pvf_outcome_gas_used(outcome, &more) && more == 2 * gas);
    pvf_outcome_delete(outcome);
    pvf_delete(pvf);
    parameters.gas_schedule = "default = ";
    CHECK_FAILURE(pvf_prepare(code.data, code.size, &parameters, &artifact, &error), PVF_STATUS_PARAMETERS,
                  "gas schedule");

    /* Limits that do not concern the code. */
    parameters = defaults();
    parameters.max_memory_pages = 16;
    CHECK(pvf_validate(code.data, code.size, NULL, 0, &parameters, &outcome, &error) == PVF_STATUS_OK);
    CHECK(pvf_outcome_class(outcome) == PVF_CLASS_REJECTED);
    CHECK(pvf_outcome_stage(outcome) == PVF_STAGE_CONSTRUCT);
    pvf_outcome_delete(outcome);
    parameters = defaults();
    parameters.stack_native_max = 799;
    pvf = fixture("ledger/code.wasm", &parameters);
    outcome = execute(pvf, "ledger/transfer.params");
    CHECK(pvf_outcome_trap(outcome) == PVF_TRAP_STACK_OVERFLOW);
    pvf_outcome_delete(outcome);
    pvf_delete(pvf);
    parameters = defaults();
    parameters.stack_logical_max = 98;
    pvf = fixture("ledger/code.wasm", &parameters);
    outcome = execute(pvf, "ledger/transfer.params");
    CHECK(pvf_outcome_class(outcome) == PVF_CLASS_INVALID);
    pvf_outcome_delete(outcome);
    pvf_delete(pvf);

    /* Elliptic curves can be switched on. */
    parameters = defaults();
    parameters.ecc_rfc163 = 1;
    pvf = fixture("ledger/code.wasm", &parameters);
    outcome = execute(pvf, "ledger/transfer.params");
    CHECK(pvf_outcome_class(outcome) == PVF_CLASS_VALID);
    pvf_outcome_delete(outcome);
    pvf_delete(pvf);
    free(code.data);
}

static void wrong_parameters(void)
{
    bytes_t code = read_file(fixtures, "adder/code.wasm");
    pvf_parameters_t parameters = defaults();
    pvf_artifact_t *artifact;
    pvf_outcome_t *outcome;
    pvf_t *pvf;

    parameters.gas_limit = 1;
    CHECK_FAILURE(pvf_prepare(code.data, code.size, &parameters, &artifact, &error), PVF_STATUS_PARAMETERS,
                  "PVF_METER_LIMIT");
    CHECK_FAILURE(pvf_validate(code.data, code.size, NULL, 0, &parameters, &outcome, &error),
                  PVF_STATUS_PARAMETERS, "PVF_METER_LIMIT");
    CHECK_FAILURE(pvf_open(artifact_path, &parameters, &pvf, &error), PVF_STATUS_PARAMETERS, "PVF_METER_LIMIT");
    memset(&parameters, 0, sizeof parameters);
    CHECK_FAILURE(pvf_prepare(code.data, code.size, &parameters, &artifact, &error), PVF_STATUS_PARAMETERS,
                  "pvf_parameters_init");
    free(code.data);
}

struct lines {
    pthread_mutex_t lock;
    int count;
    char last[256];
};

static void count_line(void *data, pvf_log_level_t level, const char *target, size_t target_size, const char *message,
                       size_t message_size)
{
    struct lines *lines = data;

    CHECK(level >= PVF_LOG_ERROR && level <= PVF_LOG_TRACE);
    pthread_mutex_lock(&lines->lock);
    lines->count++;
    snprintf(lines->last, sizeof lines->last, "%.*s: %.*s", (int)target_size, target, (int)message_size, message);
    pthread_mutex_unlock(&lines->lock);
}

static void logging(void)
{
    struct lines lines = {PTHREAD_MUTEX_INITIALIZER, 0, ""};
    pvf_parameters_t parameters = defaults();
    pvf_outcome_t *outcome;
    pvf_t *pvf;

    parameters.log = count_line;
    parameters.log_data = &lines;
    pvf = fixture("hostcalls/code.wasm", &parameters);
    outcome = execute(pvf, "hostcalls/wrong-hash.params");
    CHECK(pvf_outcome_class(outcome) == PVF_CLASS_INVALID);
    CHECK(lines.count == 1);
    CHECK(!strcmp(lines.last, "parachain: question 6 has another answer"));
    pvf_outcome_delete(outcome);
    pvf_delete(pvf);
}

/* One PVF, many threads: the same outcomes, traps among them. */
enum { THREADS = 4, ROUNDS = 8 };

static void *judge(void *pvf)
{
    for (int i = 0; i < ROUNDS; i++) {
        pvf_outcome_t *valid = execute(pvf, "forth/calls.params");
        pvf_outcome_t *load = execute(pvf, "forth/load-beyond.params");
        pvf_outcome_t *division = execute(pvf, "forth/div-zero.params");

        CHECK(pvf_outcome_class(valid) == PVF_CLASS_VALID);
        CHECK(pvf_outcome_trap(load) == PVF_TRAP_MEMORY_OUT_OF_BOUNDS);
        CHECK(pvf_outcome_trap(division) == PVF_TRAP_INTEGER_DIVIDE_BY_ZERO);
        pvf_outcome_delete(load);
        pvf_outcome_delete(division);
        if (i == ROUNDS - 1)
            return valid;
        pvf_outcome_delete(valid);
    }
    return NULL;
}

static void threads(pvf_t *forth)
{
    pthread_t running[THREADS];
    char first[sizeof digest_text] = "";

    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&running[i], NULL, judge, forth) == 0);
    for (int i = 0; i < THREADS; i++) {
        void *outcome;

        CHECK(pthread_join(running[i], &outcome) == 0);
        digest_of(outcome);
        if (i == 0)
            strcpy(first, digest_text);
        CHECK(!strcmp(first, digest_text));
        /* An outcome made on another thread. */
        pvf_outcome_delete(outcome);
    }
}

/* Children of a process with one thread have what it has: they judge with it, and so does it afterwards. */
static void children(pvf_t *forth)
{
    enum { CHILDREN = 4 };
    pid_t running[CHILDREN];
    char first[sizeof digest_text];
    pvf_outcome_t *outcome = judge(forth);

    digest_of(outcome);
    pvf_outcome_delete(outcome);
    strcpy(first, digest_text);
    for (int i = 0; i < CHILDREN; i++) {
        running[i] = fork();
        CHECK(running[i] >= 0);
        if (running[i] == 0) {
            /* More than once, and on a thread of its own too. */
            for (int run = 0; run < 3; run++) {
                outcome = judge(forth);
                digest_of(outcome);
                pvf_outcome_delete(outcome);
                CHECK(!strcmp(first, digest_text));
            }
            threads(forth);
            pvf_delete(forth);
            _exit(0);
        }
    }
    for (int i = 0; i < CHILDREN; i++) {
        int status;

        CHECK(waitpid(running[i], &status, 0) == running[i]);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    outcome = judge(forth);
    digest_of(outcome);
    pvf_outcome_delete(outcome);
    CHECK(!strcmp(first, digest_text));
}

static void null_handles(void)
{
    pvf_byte_vec_t bytes;
    uint8_t digest[PVF_DIGEST_BYTES];
    size_t size = 7;

    pvf_error_delete(NULL);
    pvf_artifact_delete(NULL);
    pvf_delete(NULL);
    pvf_outcome_delete(NULL);
    pvf_byte_vec_delete(NULL);
    pvf_byte_vec_new_empty(NULL);
    pvf_byte_vec_new_empty(&bytes);
    pvf_byte_vec_delete(&bytes);
    CHECK(pvf_error_status(NULL) == PVF_STATUS_OK);
    CHECK(!strcmp(pvf_error_message(NULL), ""));
    CHECK(pvf_outcome_class(NULL) == PVF_CLASS_NONE);
    CHECK(pvf_outcome_stage(NULL) == PVF_STAGE_NONE);
    CHECK(pvf_outcome_trap(NULL) == PVF_TRAP_NONE);
    CHECK(!pvf_outcome_trap_function(NULL, NULL) && !pvf_outcome_trap_offset(NULL, NULL));
    CHECK(!pvf_outcome_result(NULL, &size) && size == 0);
    CHECK(!pvf_outcome_result(NULL, NULL));
    CHECK(!pvf_outcome_reason(NULL));
    CHECK(!pvf_outcome_rule(NULL));
    CHECK(!pvf_error_rule(NULL));
    CHECK(!pvf_outcome_gas_used(NULL, NULL));
    CHECK(pvf_outcome_stack_native_peak(NULL) == 0);
    CHECK(!pvf_outcome_stack_logical_peak(NULL, NULL));
    CHECK(pvf_outcome_memory_pages_peak(NULL) == 0);
    CHECK(pvf_outcome_digest(NULL, digest) == PVF_STATUS_ARGUMENT);
    CHECK(pvf_artifact_digest(NULL, digest) == PVF_STATUS_ARGUMENT);
    CHECK(pvf_parameters_init(NULL, sizeof(pvf_parameters_t)) == PVF_STATUS_ARGUMENT);
}

static void null_arguments(const pvf_t *pvf)
{
    bytes_t code = read_file(fixtures, "adder/code.wasm");
    pvf_parameters_t parameters;
    pvf_artifact_t *artifact;
    pvf_outcome_t *outcome;
    pvf_byte_vec_t bytes;
    pvf_t *made;

    CHECK(pvf_parameters_init(&parameters, 3) == PVF_STATUS_ARGUMENT);
    CHECK_FAILURE(pvf_prepare(NULL, 1, NULL, &artifact, &error), PVF_STATUS_ARGUMENT, "the code is NULL");
    CHECK_FAILURE(pvf_prepare(code.data, SIZE_MAX, NULL, &artifact, &error), PVF_STATUS_ARGUMENT, "no memory");
    CHECK_FAILURE(pvf_prepare(code.data, code.size, NULL, NULL, &error), PVF_STATUS_ARGUMENT, "result");
    CHECK(pvf_prepare(NULL, 1, NULL, NULL, NULL) == PVF_STATUS_ARGUMENT);
    CHECK_FAILURE(pvf_artifact_from_bytes(NULL, 9, &artifact, &error), PVF_STATUS_ARGUMENT, "is NULL");
    CHECK_FAILURE(pvf_artifact_from_bytes(NULL, 0, NULL, &error), PVF_STATUS_ARGUMENT, "NULL");
    CHECK_FAILURE(pvf_artifact_to_bytes(NULL, &bytes, &error), PVF_STATUS_ARGUMENT, "the artifact is NULL");
    CHECK(bytes.size == 0 && !bytes.data);
    CHECK_FAILURE(pvf_artifact_to_bytes(NULL, NULL, &error), PVF_STATUS_ARGUMENT, "NULL");
    CHECK_FAILURE(pvf_artifact_write(NULL, "x", &error), PVF_STATUS_ARGUMENT, "the artifact is NULL");
    CHECK_FAILURE(pvf_new(NULL, NULL, &made, &error), PVF_STATUS_ARGUMENT, "the artifact is NULL");
    CHECK(!made);
    CHECK_FAILURE(pvf_new(NULL, NULL, NULL, &error), PVF_STATUS_ARGUMENT, "NULL");
    CHECK_FAILURE(pvf_open(NULL, NULL, &made, &error), PVF_STATUS_ARGUMENT, "the path is NULL");
    CHECK_FAILURE(pvf_open("x", NULL, NULL, &error), PVF_STATUS_ARGUMENT, "NULL");
    CHECK_FAILURE(pvf_execute(NULL, NULL, 0, &outcome, &error), PVF_STATUS_ARGUMENT, "the PVF is NULL");
    CHECK_FAILURE(pvf_execute(pvf, NULL, 5, &outcome, &error), PVF_STATUS_ARGUMENT, "the candidate is NULL");
    CHECK_FAILURE(pvf_execute(pvf, NULL, 0, NULL, &error), PVF_STATUS_ARGUMENT, "NULL");
    CHECK_FAILURE(pvf_validate(NULL, 1, NULL, 0, NULL, &outcome, &error), PVF_STATUS_ARGUMENT, "the code");
    CHECK_FAILURE(pvf_validate(NULL, 0, NULL, 1, NULL, &outcome, &error), PVF_STATUS_ARGUMENT, "the candidate");
    CHECK(!outcome);

    CHECK(pvf_prepare(code.data, code.size, NULL, &artifact, NULL) == PVF_STATUS_OK);
    CHECK_FAILURE(pvf_artifact_to_bytes(artifact, NULL, &error), PVF_STATUS_ARGUMENT, "the bytes");
    CHECK_FAILURE(pvf_artifact_write(artifact, NULL, &error), PVF_STATUS_ARGUMENT, "the path is NULL");
    CHECK(pvf_artifact_digest(artifact, NULL) == PVF_STATUS_ARGUMENT);
    pvf_artifact_delete(artifact);

    /* No candidate is a candidate of no bytes: it is judged. */
    CHECK(pvf_execute(pvf, NULL, 0, &outcome, NULL) == PVF_STATUS_OK);
    CHECK(pvf_outcome_class(outcome) == PVF_CLASS_INVALID);
    CHECK(pvf_outcome_digest(outcome, NULL) == PVF_STATUS_ARGUMENT);
    pvf_outcome_delete(outcome);
    free(code.data);
}

static void names(void)
{
    CHECK(strchr(pvf_version(), '.'));
    CHECK(!strcmp(pvf_status_name(PVF_STATUS_OK), "ok"));
    for (int status = PVF_STATUS_OK; status <= PVF_STATUS_INTERRUPTED; status++)
        CHECK(strcmp(pvf_status_name(status), "unknown status"));
    CHECK(!strcmp(pvf_status_name(PVF_STATUS_INTERRUPTED + 1), "unknown status"));
    CHECK(!strcmp(pvf_status_name(-1), "unknown status"));
    CHECK(!strcmp(pvf_trap_name(PVF_TRAP_NONE), "none"));
    CHECK(!strcmp(pvf_trap_name(PVF_TRAP_HOST_ERROR + 1), "unknown"));
}

static void networks(void)
{
    static const uint8_t live[] = { 0x0c, 1, 0, 0x20, 0, 0, 6, 0, 0xc4, 9, 0, 0, 0, 0, 0, 0, 6, 1, 0x98, 0x3a, 0, 0, 0, 0, 0, 0 };
    static const uint8_t functions[] = { 4, 8, 1 }, unknown[] = { 4, 9 };
    pvf_parameters_t p = defaults();
    pvf_error_t *error;

    CHECK(p.max_memory_pages == 8224 && p.backing_timeout_ms == 2500 && p.approval_timeout_ms == 15000);
    CHECK(strcmp(pvf_network_name(PVF_NETWORK_PASEO), "paseo") == 0 && !pvf_network_name(5) && !pvf_network_name(-1));
    CHECK(strcmp(pvf_network_seen(PVF_NETWORK_POLKADOT), "2026-07") == 0 && !pvf_network_seen(PVF_NETWORK_KUSAMA));
    p.threads = 3;
    p.gas_meter = PVF_METER_COUNT;
    CHECK(pvf_parameters_set_network(&p, PVF_NETWORK_PROTOCOL, &error) == PVF_STATUS_OK && !error);
    CHECK(p.max_memory_pages == 2080 && p.backing_timeout_ms == 2000 && p.approval_timeout_ms == 12000);
    CHECK(p.threads == 3 && p.gas_meter == PVF_METER_COUNT && !p.ecc_rfc163);
    CHECK(pvf_parameters_set_executor_params(&p, functions, sizeof functions, &error) == PVF_STATUS_OK);
    CHECK(p.ecc_rfc163 == 1 && p.max_memory_pages == 2080);
    CHECK(pvf_parameters_set_executor_params(&p, live, sizeof live, NULL) == PVF_STATUS_OK);
    CHECK(p.ecc_rfc163 == 0 && p.max_memory_pages == 8224 && p.approval_timeout_ms == 15000);
    CHECK(pvf_parameters_set_executor_params(&p, live, sizeof live - 1, NULL) == PVF_STATUS_PARAMETERS);
    CHECK(pvf_parameters_set_executor_params(&p, NULL, 1, NULL) == PVF_STATUS_ARGUMENT);
    CHECK(pvf_parameters_set_executor_params(&p, unknown, sizeof unknown, &error) == PVF_STATUS_PARAMETERS && error);
    pvf_error_delete(error);
    CHECK(pvf_parameters_set_network(&p, 5, &error) == PVF_STATUS_PARAMETERS && error);
    pvf_error_delete(error);
    CHECK(pvf_parameters_set_network(NULL, 0, NULL) == PVF_STATUS_ARGUMENT);
    CHECK(p.max_memory_pages == 8224);
}

static pvf_interrupt_t *switched_by_all;

static void *raise_soon(void *unused)
{
    struct timespec soon = { 0, 20000000 };

    (void) unused;
    nanosleep(&soon, NULL);
    pvf_interrupt_raise(switched_by_all);
    return NULL;
}

/* (module (memory (export "memory") 1) (global (export "__heap_base") i32 (i32.const 4096))
 *   (func (export "validate_block") (param i32 i32) (result i64) (loop (br 0)) (unreachable))) */
static const uint8_t endless[] = {
    0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x07, 0x01, 0x60, 0x02, 0x7f, 0x7f, 0x01, 0x7e, 0x03,
    0x02, 0x01, 0x00, 0x05, 0x03, 0x01, 0x00, 0x01, 0x06, 0x07, 0x01, 0x7f, 0x00, 0x41, 0x80, 0x20, 0x0b, 0x07,
    0x29, 0x03, 0x06, 0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79, 0x02, 0x00, 0x0b, 0x5f, 0x5f, 0x68, 0x65, 0x61, 0x70,
    0x5f, 0x62, 0x61, 0x73, 0x65, 0x03, 0x00, 0x0e, 0x76, 0x61, 0x6c, 0x69, 0x64, 0x61, 0x74, 0x65, 0x5f, 0x62,
    0x6c, 0x6f, 0x63, 0x6b, 0x00, 0x00, 0x0a, 0x0a, 0x01, 0x08, 0x00, 0x03, 0x40, 0x0c, 0x00, 0x0b, 0x00, 0x0b,
};

/* The endless candidate. */
static void interrupts(void)
{
    bytes_t short_one = read_file(fixtures, "forth/calls.params");
    pvf_parameters_t p = defaults();
    pvf_interrupt_t *other;
    pvf_outcome_t *outcome;
    pvf_error_t *error;
    pthread_t raiser;
    pvf_artifact_t *artifact;
    pvf_t *pvf, *forever;

    CHECK(p.timeout_ms == 0);
    CHECK(pvf_prepare(endless, sizeof endless, &p, &artifact, NULL) == PVF_STATUS_OK);
    CHECK(pvf_new(artifact, &p, &forever, NULL) == PVF_STATUS_OK);
    p.timeout_ms = 30;
    CHECK(pvf_validate(endless, sizeof endless, NULL, 0, &p, &outcome, NULL) == PVF_STATUS_INTERRUPTED);
    CHECK(pvf_new(artifact, &p, &pvf, NULL) == PVF_STATUS_OK);
    CHECK(pvf_execute(pvf, NULL, 0, &outcome, &error) == PVF_STATUS_INTERRUPTED);
    CHECK(!outcome && pvf_error_status(error) == PVF_STATUS_INTERRUPTED);
    pvf_error_delete(error);
    CHECK(pvf_outcome_class(outcome) == PVF_CLASS_NONE);
    pvf_delete(pvf);
    pvf_artifact_delete(artifact);

    p.timeout_ms = 0;
    pvf = fixture("forth/code.wasm", &p);
    CHECK(pvf_interrupt_new(&switched_by_all, &error) == PVF_STATUS_OK && switched_by_all && !error);
    CHECK(pvf_interrupt_new(&other, NULL) == PVF_STATUS_OK);
    CHECK(!pvf_interrupt_is_raised(switched_by_all));
    CHECK(pthread_create(&raiser, NULL, raise_soon, NULL) == 0);
    CHECK(pvf_execute_interruptible(forever, NULL, 0, switched_by_all, &outcome, NULL) == PVF_STATUS_INTERRUPTED);
    CHECK(pthread_join(raiser, NULL) == 0);
    CHECK(pvf_interrupt_is_raised(switched_by_all) && !pvf_interrupt_is_raised(other));
    /* It stays raised, and others are not. */
    CHECK(pvf_execute_interruptible(pvf, short_one.data, short_one.size, switched_by_all, &outcome, NULL) == PVF_STATUS_INTERRUPTED);
    CHECK(pvf_execute_interruptible(pvf, short_one.data, short_one.size, other, &outcome, NULL) == PVF_STATUS_OK);
    CHECK(pvf_outcome_class(outcome) == PVF_CLASS_VALID);
    pvf_outcome_delete(outcome);
    CHECK(pvf_execute_interruptible(pvf, short_one.data, short_one.size, NULL, &outcome, NULL) == PVF_STATUS_OK);
    pvf_outcome_delete(outcome);
    CHECK(pvf_execute_interruptible(NULL, short_one.data, short_one.size, other, &outcome, NULL) == PVF_STATUS_ARGUMENT);
    pvf_interrupt_delete(other);
    pvf_interrupt_delete(switched_by_all);
    pvf_interrupt_delete(NULL);
    pvf_interrupt_raise(NULL);
    CHECK(!pvf_interrupt_is_raised(NULL));
    CHECK(pvf_interrupt_new(NULL, NULL) == PVF_STATUS_ARGUMENT);
    pvf_delete(pvf);
    pvf_delete(forever);
    free(short_one.data);
}

int main(int argc, char **argv)
{
    pvf_t *forth;

    CHECK(argc == 3);
    fixtures = argv[1];
    snprintf(artifact_path, sizeof artifact_path, "%s", argv[2]);
    names();
    null_handles();
    a_valid_candidate();
    an_invalid_candidate();
    rejected_code();
    artifacts();
    gas_and_limits();
    wrong_parameters();
    networks();
    interrupts();
    logging();
    forth = fixture("forth/code.wasm", NULL);
    traps(forth);
    threads(forth);
    children(forth);
    null_arguments(forth);
    pvf_delete(forth);
    puts("all is well");
    return 0;
}
