/* What the test programs share. */
#ifndef CHECK_H
#define CHECK_H

#include <pvf.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As assert, but it says more and is never compiled away. */
#define CHECK(condition)                                                          \
    do {                                                                          \
        if (!(condition)) {                                                       \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            exit(1);                                                              \
        }                                                                         \
    } while (0)

/* Bytes of a file, to be freed. */
typedef struct {
    unsigned char *data;
    size_t size;
} bytes_t;

static inline bytes_t read_file(const char *folder, const char *name)
{
    char path[4096];
    bytes_t bytes = {NULL, 0};
    long length;
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    file = fopen(path, "rb");
    CHECK(file != NULL);
    CHECK(fseek(file, 0, SEEK_END) == 0);
    length = ftell(file);
    CHECK(length >= 0);
    rewind(file);
    bytes.size = (size_t)length;
    bytes.data = malloc(bytes.size + 1);
    CHECK(bytes.data != NULL);
    CHECK(fread(bytes.data, 1, bytes.size, file) == bytes.size);
    fclose(file);
    return bytes;
}

/* Checks that a call, which passes &error, failed as it should, with a message that holds `part`; deletes the error. */
#define CHECK_FAILURE(call, expected, part) \
    do {                                    \
        pvf_error_t *error = NULL;          \
        pvf_status_t status = (call);       \
        check_failure(status, error, expected, part, __LINE__); \
    } while (0)

static inline void check_failure(pvf_status_t status, pvf_error_t *error, pvf_status_t expected, const char *part, int line)
{
    const char *message = pvf_error_message(error);

    if (!error || status != expected || pvf_error_status(error) != expected || !strstr(message, part)) {
        fprintf(stderr, "line %d: status %d, \"%s\", expected %d with \"%s\"\n", line, (int)status, message, (int)expected,
                part);
        exit(1);
    }
    pvf_error_delete(error);
}

#endif
