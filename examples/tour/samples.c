/*
 * The large sample files of the tour, which are made at its first start.
 *
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tour.h"

enum {
    LARGE_SIZE = 100 << 20,
    CSV_LINES = 1000000,
};

/* Pseudo-random bytes, the same at each time (xorshift64). */
static bool write_large(FILE *out)
{
    uint64_t words[1024], state = 0x9e3779b97f4a7c15;
    for (size_t done = 0; done < LARGE_SIZE; done += sizeof(words)) {
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
            state ^= (state & UINT64_MAX >> 13) << 13;
            state ^= state >> 7;
            state ^= (state & UINT64_MAX >> 17) << 17;
            words[i] = state;
        }
        if (fwrite(words, sizeof(words), 1, out) != 1)
            return false;
    }
    return true;
}

static bool write_dataset(FILE *out)
{
    static const char *const cities[] = {"Berlin", "Kyoto", "Lima", "Nairobi", "Oslo", "Quebec", "Turin"};
    fprintf(out, "id,name,city,value\n");
    for (int i = 1; i < CSV_LINES; i++)
        fprintf(out, "%d,name-%d,%s,%d.%02d\n", i, i % 10007 * 7919 % 10007, cities[i % 7], i % 1000, i % 100);
    return !ferror(out);
}

/* Makes root/name unless it is there; by another name first, so that it is whole whenever it can be seen. */
static bool make_sample(const char *root, bool quiet, const char *name, bool (*write)(FILE *out))
{
    char path[PATH_MAX], partial[PATH_MAX];
    int len = snprintf(path, sizeof(path), "%s/%s", root, name);
    int partial_len = snprintf(partial, sizeof(partial), "%s.%d.part", path, (int)getpid());
    if (len >= PATH_MAX || partial_len >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return false;
    }
    if (access(path, F_OK) == 0)
        return true;
    if (!quiet) {
        printf("making the sample file %s\n", path);
        fflush(stdout);
    }
    FILE *out = fopen(partial, "wb");
    if (!out)
        return false;
    bool good = write(out);
    good = fclose(out) == 0 && good && rename(partial, path) == 0;
    if (!good)
        unlink(partial);
    return good;
}

/* A folder that cannot be written to is served without the large samples. */
void make_samples(const char *root, bool quiet)
{
    if (!make_sample(root, quiet, "large.bin", write_large) ||
        !make_sample(root, quiet, "large_dataset.csv", write_dataset))
        fprintf(stderr, "tour: %s: the large samples cannot be made: %s\n", root, strerror(errno));
}
