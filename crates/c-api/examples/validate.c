/*
 * Validates a candidate: the shortest way first, then step by step, as a node does that judges many candidates.
 *
 *     cargo build --release -p pvf-c-api
 *     gcc crates/c-api/examples/validate.c -I crates/c-api/include -L target/release -lpvf -Wl,-rpath,$PWD/target/release -o validate
 *     ./validate fixtures/ledger/code.wasm fixtures/ledger/transfer.params
 *
 * Prints the outcome. Ends with 0 if the candidate is valid, 1 if it is not, 2 if it could not be judged.
 */
#include <pvf.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned char *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    unsigned char *bytes = NULL;
    long length;

    if (file && fseek(file, 0, SEEK_END) == 0 && (length = ftell(file)) >= 0) {
        rewind(file);
        *size = (size_t)length;
        bytes = malloc(*size ? *size : 1);
        if (bytes && fread(bytes, 1, *size, file) != *size) {
            free(bytes);
            bytes = NULL;
        }
    }
    if (file)
        fclose(file);
    if (!bytes)
        fprintf(stderr, "cannot read %s\n", path);
    return bytes;
}

/* Prints what went wrong, and deletes it. */
static int failed(pvf_error_t *error)
{
    fprintf(stderr, "%s: %s\n", pvf_status_name(pvf_error_status(error)), pvf_error_message(error));
    pvf_error_delete(error);
    return 2;
}

static void print_hex(const char *what, const uint8_t *bytes, size_t size)
{
    printf("  %s 0x", what);
    for (size_t i = 0; i < size; i++)
        printf("%02x", bytes[i]);
    printf("\n");
}

static void print_outcome(const pvf_outcome_t *outcome)
{
    uint8_t digest[PVF_DIGEST_BYTES];
    size_t size;
    const uint8_t *result = pvf_outcome_result(outcome, &size);
    uint64_t units, gas;

    switch (pvf_outcome_class(outcome)) {
    case PVF_CLASS_VALID:
        printf("valid\n");
        print_hex("result       ", result, size);
        break;
    case PVF_CLASS_INVALID:
        printf("invalid\n");
        printf("  trap          %s\n", pvf_trap_name(pvf_outcome_trap(outcome)));
        break;
    default:
        printf("rejected\n");
    }
    if (pvf_outcome_reason(outcome))
        printf("  reason        %s\n", pvf_outcome_reason(outcome));
    pvf_outcome_digest(outcome, digest);
    print_hex("digest       ", digest, sizeof digest);
    printf("  native stack  %" PRIu64 " B\n", pvf_outcome_stack_native_peak(outcome));
    if (pvf_outcome_stack_logical_peak(outcome, &units))
        printf("  logical stack %" PRIu64 " units\n", units);
    if (pvf_outcome_gas_used(outcome, &gas))
        printf("  gas           %" PRIu64 "\n", gas);
    printf("  memory        %" PRIu32 " pages\n", pvf_outcome_memory_pages_peak(outcome));
}

/* Everything at once, with Polkadot's parameters. */
static int validate(const unsigned char *code, size_t code_size, const unsigned char *candidate, size_t candidate_size)
{
    pvf_outcome_t *outcome;
    pvf_error_t *error;
    int valid;

    if (pvf_validate(code, code_size, candidate, candidate_size, NULL, &outcome, &error) != PVF_STATUS_OK)
        return failed(error);
    print_outcome(outcome);
    valid = pvf_outcome_class(outcome) == PVF_CLASS_VALID;
    pvf_outcome_delete(outcome);
    return valid ? 0 : 1;
}

/* What comes from a PVF's log. It is untrusted text. */
static void print_log(void *data, pvf_log_level_t level, const char *target, size_t target_size, const char *message,
                      size_t message_size)
{
    fprintf(data, "log %d, %.*s: %.*s\n", (int)level, (int)target_size, target, (int)message_size, message);
}

/* Prepared once, executed as often as there are candidates; here with a gas meter and the log. */
static int prepare_and_execute(const unsigned char *code, size_t code_size, const unsigned char *candidate,
                               size_t candidate_size)
{
    pvf_parameters_t parameters;
    pvf_artifact_t *artifact;
    pvf_t *pvf;
    pvf_outcome_t *outcome;
    pvf_error_t *error;
    pvf_status_t status;

    pvf_parameters_init(&parameters, sizeof parameters);
    parameters.gas_meter = PVF_METER_LIMIT;
    parameters.gas_limit = 1000000000;
    parameters.log = print_log;
    parameters.log_data = stderr;

    if (pvf_prepare(code, code_size, &parameters, &artifact, &error) != PVF_STATUS_OK)
        return failed(error);
    status = pvf_new(artifact, &parameters, &pvf, &error);
    pvf_artifact_delete(artifact);
    if (status != PVF_STATUS_OK)
        return failed(error);

    for (int i = 0; i < 2; i++) {
        if (pvf_execute(pvf, candidate, candidate_size, &outcome, &error) != PVF_STATUS_OK) {
            pvf_delete(pvf);
            return failed(error);
        }
        printf("with gas, execution %d: ", i + 1);
        print_outcome(outcome);
        pvf_outcome_delete(outcome);
    }
    pvf_delete(pvf);
    return 0;
}

int main(int argc, char **argv)
{
    unsigned char *code, *candidate = NULL;
    size_t code_size, candidate_size;
    int result = 2;

    if (argc != 3) {
        fprintf(stderr, "usage: %s CODE.wasm CANDIDATE.params\n", argv[0]);
        return 2;
    }
    code = read_file(argv[1], &code_size);
    if (code && (candidate = read_file(argv[2], &candidate_size))) {
        result = validate(code, code_size, candidate, candidate_size);
        if (result == 0)
            result = prepare_and_execute(code, code_size, candidate, candidate_size);
    }
    free(candidate);
    free(code);
    return result;
}
