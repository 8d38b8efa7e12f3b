/*
 * weir new: the beginning of a service, in a folder of its own. What is there already is left alone.
 *
 * SPDX-License-Identifier: MIT
 */
#include "cli/new.h"
#include "cli/suggest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXIT_UNWRITTEN 1
#define EXIT_WRONG     2
#define NAME_LENGTH    60
#define PATH_SIZE      128

static const char usage[] =
    "usage: weir new NAME\n"
    "\n"
    "Makes the folder NAME with a small service of that name: main.c, CMakeLists.txt, a test, a\n"
    "Containerfile and a README. What is there already is left alone.\n"
    "\n"
    "  -h, --help  this text\n";

static const char next[] = "Made %1$s, a service with a test. Next:\n"
                           "  cd %1$s\n"
                           "  cmake -B build && cmake --build build\n"
                           "  ctest --test-dir build\n"
                           "  build/%1$s\n";

/* ---- Names ---- */

const char *new_name_fault(const char *name)
{
    /* Targets that CMake has of its own. */
    static const char *const taken[] = {"all",  "build",   "clean",         "edit_cache", "help", "install",
                                        "list", "package", "rebuild_cache", "test",       "weir"};
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", others[] = "0123456789-_";
    size_t len = strlen(name);
    if (len == 0)
        return "it is empty";
    if (len > NAME_LENGTH)
        return "it has more than 60 letters";
    if (!strchr(letters, name[0]))
        return "it begins with a letter from a to z";
    for (size_t i = 0; i < len; i++)
        if (!strchr(letters, name[i]) && !strchr(others, name[i]))
            return "it is of letters, digits, '-' and '_'";
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        if (strcmp(name, taken[i]) == 0)
            return "that name means something else already";
    return NULL;
}

/* ---- Files ---- */

/* Writes the file's bytes with the name in its place. */
static bool write_file(FILE *out, const struct new_file *f, const char *name)
{
    static const char mark[] = "@NAME@";
    const char *data = (const char *)f->data, *end = data + f->size, *at;
    while ((at = memmem(data, (size_t)(end - data), mark, sizeof mark - 1))) {
        fwrite(data, 1, (size_t)(at - data), out);
        fputs(name, out);
        data = at + sizeof mark - 1;
    }
    fwrite(data, 1, (size_t)(end - data), out);
    return !ferror(out);
}

static bool make_file(int folder, const struct new_file *f, const char *name)
{
    int fd = openat(folder, f->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!out) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    bool good = write_file(out, f, name);
    return fclose(out) == 0 && good;
}

/* Makes the folder with its files; takes back what was made where that fails. */
static int make(const char *name)
{
    if (mkdir(name, 0777) != 0) {
        fprintf(stderr, "weir new: '%s' %s\n", name,
                errno == EEXIST ? "is there already; choose another name" : strerror(errno));
        return EXIT_UNWRITTEN;
    }
    int folder = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC), number = errno;
    const struct new_file *f = new_files;
    while (folder >= 0 && f->name && make_file(folder, f, name))
        f++;
    bool good = folder >= 0 && !f->name;
    if (!good) {
        number = folder >= 0 ? errno : number;
        for (const struct new_file *made = new_files; folder >= 0 && made <= f && made->name; made++)
            unlinkat(folder, made->name, 0);
        rmdir(name);
        fprintf(stderr, "weir new: '%s' cannot be written: %s\n", name, strerror(number));
    }
    if (folder >= 0)
        close(folder);
    return good ? 0 : EXIT_UNWRITTEN;
}

static int wrong(const char *what, const char *argument, const char *hint)
{
    fprintf(stderr, "weir new: %s%.*s%s\n", what, NAME_LENGTH, argument, hint);
    return EXIT_WRONG;
}

int new_main(int argc, char **argv)
{
    const char *name = NULL;
    for (int i = 1; i < argc; i++) {
        struct suggestion near = {.word = argv[i]};
        suggest_consider(&near, "--help");
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(usage, stdout);
            return 0;
        }
        if (argv[i][0] == '-')
            return wrong("", argv[i],
                         near.nearest ? " is not an option; did you mean --help?"
                                      : " is not an option; weir new NAME is all there is");
        if (name)
            return wrong("one name is enough, '", argv[i], "' is one too many");
        name = argv[i];
    }
    if (!name)
        return wrong("the name of the service is missing, such as weir new hello", "", "");
    const char *why = new_name_fault(name);
    if (why)
        return wrong("such a name will not do: ", why, "; try weir new hello");
    int status = make(name);
    if (status == 0)
        printf(next, name);
    return status;
}
