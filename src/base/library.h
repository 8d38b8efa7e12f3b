/*
 * Libraries that are loaded when they are first wanted. Because a process that does without one should not pay for it:
 * the linker touches a megabyte or two of the pages of those that weir can use, at each start.
 *
 * Who uses one has a table of pointers, each of its function's true type, so that a call costs what one through the
 * linker's table does. With WEIR_LINKED, as in programs without shared libraries, they are linked, and there is no
 * table.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_BASE_LIBRARY_H
#define WEIR_BASE_LIBRARY_H

#include <stddef.h>
#include <stdint.h>

enum library_result {
    LIBRARY_LOADED,
    LIBRARY_UNLOADABLE, /* the program is linked statically, and cannot load any */
    LIBRARY_MISSING,    /* there is none that can be loaded */
    LIBRARY_OLD,        /* a function is not in it */
};

/*
 * Fills a table of size bytes with a library's functions, in the order of their names: each with a NUL behind it, and
 * one more behind the last, since pointers to them would have to be relocated in every process. The library stays until
 * the process ends. In *why what the system says (LIBRARY_MISSING), or the name of the function (LIBRARY_OLD); valid
 * until the thread loads another. Blocks. Any thread.
 */
enum library_result library_load(const char *file, const char *names, void *table, size_t size, const char **why);

#define LIBRARY_MEMBER(name) __typeof__(name) *name##_in;
#define LIBRARY_NAME(name)   #name "\0"

/*
 * Tells who makes packages of this what the linker cannot see: that a library may be loaded (uapi-group.org,
 * ELF_DLOPEN_METADATA). priority: "recommended" or "suggested".
 */
#define LIBRARY_NOTE(name, feature, description, priority, file)                                                       \
    static const struct {                                                                                              \
        uint32_t name_size, text_size, type;                                                                           \
        char owner[4];                                                                                                 \
        char text[(sizeof LIBRARY_NOTE_TEXT(feature, description, priority, file) + 3) & ~(size_t)3];                  \
    } name __attribute__((used, section(".note.dlopen"), aligned(4))) = {                                              \
        .name_size = 4,                                                                                                \
        .text_size = sizeof LIBRARY_NOTE_TEXT(feature, description, priority, file),                                   \
        .type = 0x407c0c0a,                                                                                            \
        .owner = "FDO",                                                                                                \
        .text = LIBRARY_NOTE_TEXT(feature, description, priority, file),                                               \
    }
#define LIBRARY_NOTE_TEXT(feature, description, priority, file)                                                        \
    "[{\"feature\":\"" feature "\",\"description\":\"" description "\",\"priority\":\"" priority "\",\"soname\":[\""   \
    "" file "\"]}]"

#endif
