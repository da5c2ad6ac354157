/*
 * What a program must not do, to see that the checkers notice it also where memory is the library's.
 *
 *     misuse FIXTURES leak|twice|after|beyond
 */
#include "check.h"

int main(int argc, char **argv)
{
    bytes_t code, candidate;
    pvf_outcome_t *outcome;
    const uint8_t *result;
    size_t size;
    const char *how;

    CHECK(argc == 3);
    how = argv[2];
    code = read_file(argv[1], "ledger/code.wasm");
    candidate = read_file(argv[1], "ledger/transfer.params");
    CHECK(pvf_validate(code.data, code.size, candidate.data, candidate.size, NULL, &outcome, NULL) == PVF_STATUS_OK);
    free(code.data);
    free(candidate.data);
    result = pvf_outcome_result(outcome, &size);

    if (!strcmp(how, "leak")) {
        outcome = NULL;
        result = NULL;
    } else if (!strcmp(how, "beyond")) {
        printf("%d\n", result[size]);
        pvf_outcome_delete(outcome);
    } else {
        pvf_outcome_delete(outcome);
        if (!strcmp(how, "twice"))
            pvf_outcome_delete(outcome);
        else
            printf("%d\n", result[0]);
    }
    return 0;
}
