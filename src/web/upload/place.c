/*
 * Files on the way to their names. Every name is used relative to the folder's descriptor, which was opened beneath the
 * root, and is one part of a path that is not followed if it is a link: so nobody can lead it elsewhere.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/upload/place.h"
#include "base/error.h"
#include "web/file/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_TRIES   16 /* a random name that is there already is bad luck; sixteen are something else */
#define FOLDER_TRIES 8  /* whoever has made a folder may remove it while it is empty */

const char *place_name(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    bool dots = strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
    return name[0] == '\0' || dots || strlen(name) > NAME_MAX ? NULL : name;
}

/* ---- The folder ---- */

/* Makes the last folder of a path whose others are there; *made: 0 where somebody else has, else one more. Returns 0 or
 * an error. */
static int make_folder(int root, char *path, bool sync, int *made)
{
    char *slash = strrchr(path, '/');
    if (slash)
        *slash = '\0';
    int above = beneath_folder(root, slash ? path : ".");
    if (slash)
        *slash = '/';
    if (above < 0)
        return above;
    const char *name = place_name(path);
    int number = !name ? EACCES : mkdirat(above, name, 0777) == 0 ? 0 : errno;
    int error = number == EEXIST ? 0 : error_from_errno(number);
    *made = number == 0 ? *made + 1 : 0;
    if (!error && sync) {
        int fd = openat(above, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || fsync(fd) != 0)
            error = WEIR_EIO;
        if (fd >= 0)
            close(fd);
    }
    close(above);
    return error;
}

/* Makes the folders of a path that are missing, first to last. The path is changed meanwhile, and as it was then. */
static int make_folders(int root, char *path, bool sync, int *made)
{
    for (char *end = path;; end++) {
        end += strcspn(end, "/");
        char was = *end;
        *end = '\0';
        int fd = path[0] == '\0' ? WEIR_EACCES : end[-1] == '/' ? 0 : beneath_folder(root, path);
        int error = fd == WEIR_ENOENT ? make_folder(root, path, sync, made) : fd < 0 ? fd : 0;
        if (fd > 0)
            close(fd);
        *end = was;
        if (error || was == '\0')
            return error;
    }
}

/* Writes the path of the file's folder. False: there is no name in it, or it is too long. */
static bool folder_path(const struct place *p, char path[static PATH_MAX])
{
    const char *name = place_name(p->path);
    if (!name)
        return false;
    size_t len = (size_t)(name - p->path);
    while (len > 1 && p->path[len - 1] == '/')
        len--;
    if (len >= PATH_MAX)
        return false;
    memcpy(path, len ? p->path : ".", len ? len : 1);
    path[len ? len : 1] = '\0';
    return true;
}

static int open_folder(struct place *p)
{
    char path[PATH_MAX];
    p->made = 0;
    if (!folder_path(p, path))
        return WEIR_EINVAL;
    int root = beneath_root(p->root);
    if (root < 0)
        return root;
    p->folder = beneath_folder(root, path);
    if (p->folder == WEIR_ENOENT && p->make_folders) {
        int error = make_folders(root, path, p->sync, &p->made);
        p->folder = error ? error : beneath_folder(root, path);
    }
    close(root);
    return p->folder < 0 ? p->folder : 0;
}

/* Opens the folder anew, since the one that was open has been removed. */
static int reopen_folder(struct place *p)
{
    close(p->folder);
    int error = open_folder(p);
    if (error)
        p->folder = -1;
    return error;
}

/* Removes the folders that were made, last to first, as long as they are empty. */
static void remove_folders(struct place *p)
{
    char path[PATH_MAX];
    int root = folder_path(p, path) ? beneath_root(p->root) : -1;
    while (root >= 0 && p->made > 0) {
        char *slash = strrchr(path, '/');
        if (slash)
            *slash = '\0';
        const char *name = slash ? slash + 1 : path;
        if (place_name(name)) { /* else nothing stands between two slashes */
            int above = beneath_folder(root, slash ? path : ".");
            p->made = above >= 0 && unlinkat(above, name, AT_REMOVEDIR) == 0 ? p->made - 1 : 0;
            if (above >= 0)
                close(above);
        }
        if (!slash)
            break;
    }
    p->made = 0;
    if (root >= 0)
        close(root);
}

/* ---- The file ---- */

/* The name of a file of its process, by which a file without a name gets one. */
static void name_of_descriptor(int fd, char name[static 32])
{
    snprintf(name, 32, "/proc/self/fd/%d", fd);
}

/* Makes the file without a name. False: the file system knows none, or there would be no way to give it one. */
static bool open_nameless(struct place *p)
{
    char own[32];
    p->fd = openat(p->folder, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, p->mode);
    if (p->fd < 0)
        return errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT;
    name_of_descriptor(p->fd, own);
    if (access(own, F_OK) == 0)
        return true;
    close(p->fd);
    p->fd = -1;
    return false;
}

/* Writes the temporary name that goes with the mark: that of the file, cut if need be. */
static void temporary_name(const struct place *p, char name[static NAME_MAX + 1])
{
    snprintf(name, NAME_MAX + 1, ".%.*s.%s", NAME_MAX - PLACE_MARK - 2, p->name, p->mark);
}

/* Chooses another mark. */
static bool mark_anew(struct place *p)
{
    static const char letters[] = "abcdefghijkmnpqrstuvwxyz23456789";
    unsigned char random[PLACE_MARK];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return false;
    for (int i = 0; i < PLACE_MARK; i++)
        p->mark[i] = letters[random[i] % 32];
    p->mark[PLACE_MARK] = '\0';
    return true;
}

static int open_named(struct place *p)
{
    char name[NAME_MAX + 1];
    for (int i = 0; i < NAME_TRIES; i++) {
        if (!mark_anew(p))
            return WEIR_ESYS;
        temporary_name(p, name);
        p->fd = openat(p->folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, p->mode);
        p->named = p->fd >= 0;
        if (p->named || errno != EEXIST)
            break;
    }
    return p->named ? 0 : error_from_errno(errno);
}

static int open_file(struct place *p)
{
    if (p->nameless_off || !open_nameless(p))
        return open_named(p);
    return p->fd < 0 ? error_from_errno(errno) : 0;
}

int place_open(struct place *p)
{
    p->folder = p->fd = -1;
    p->named = p->replaced = false;
    int error = open_folder(p);
    if (error)
        p->folder = -1;
    else
        error = open_file(p);
    for (int i = 0; error == WEIR_ENOENT && p->folder >= 0 && p->make_folders && i < FOLDER_TRIES; i++) {
        error = reopen_folder(p);
        if (!error)
            error = open_file(p);
    }
    if (error)
        place_close(p);
    return error;
}

/* ---- The name ---- */

/* Gives a file without a name one that nobody has. 0 or an errno value. */
static int link_nameless(const struct place *p, const char *name)
{
    char own[32];
    name_of_descriptor(p->fd, own);
    return linkat(AT_FDCWD, own, p->folder, name, AT_SYMLINK_FOLLOW) == 0 ? 0 : errno;
}

/* Gives a file its temporary name. 0 or an errno value. */
static int link_temporary(struct place *p)
{
    char name[NAME_MAX + 1];
    int number = EEXIST;
    for (int i = 0; i < NAME_TRIES && number == EEXIST; i++) {
        if (!mark_anew(p))
            return ENOSYS;
        temporary_name(p, name);
        number = link_nameless(p, name);
    }
    p->named = number == 0;
    return number;
}

/* Turns the temporary name into one that nobody has. 0 or an errno value. */
static int rename_new(struct place *p, const char *temporary)
{
    int number = renameat2(p->folder, temporary, p->folder, p->name, RENAME_NOREPLACE) == 0 ? 0 : errno;
    if (number == 0) {
        p->named = false;
    } else if (number == EINVAL || number == ENOSYS) { /* the file system does not know the flag */
        number = linkat(p->folder, temporary, p->folder, p->name, 0) == 0 ? 0 : errno;
    }
    return number;
}

/* Gives the file the name. 0 or an errno value. */
static int take_name(struct place *p)
{
    char temporary[NAME_MAX + 1];
    int number = EEXIST;
    if (p->named) {
        temporary_name(p, temporary);
        number = rename_new(p, temporary);
    } else {
        number = link_nameless(p, p->name);
    }
    if (number != EEXIST || p->exclusive)
        return number;
    if (!p->named && (number = link_temporary(p)) != 0)
        return number;
    temporary_name(p, temporary);
    if (renameat(p->folder, temporary, p->folder, p->name) != 0)
        return errno;
    p->named = false;
    p->replaced = true;
    return 0;
}

/* Has the folder's names on the disk. */
static int sync_folder(const struct place *p)
{
    int fd = openat(p->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error = fd >= 0 && fsync(fd) == 0 ? 0 : WEIR_EIO;
    if (fd >= 0)
        close(fd);
    return error;
}

/* Closes a file that has a temporary name. Because what a file system on another machine could not write is told then.
 * 0 or an errno value. */
static int close_named(struct place *p)
{
    int number = close(p->fd) == 0 || errno == EINTR ? 0 : errno;
    p->fd = -1;
    return number;
}

static int name_error(int number)
{
    return number == EISDIR || number == ENOTDIR ? WEIR_EEXIST : number == EXDEV ? WEIR_ESYS : error_from_errno(number);
}

/* Gives the file the name, in a folder that is made anew where whoever had made it has removed it meanwhile. */
static int publish_name(struct place *p)
{
    int number = take_name(p), error = 0;
    for (int i = 0; number == ENOENT && p->make_folders && !p->named && i < FOLDER_TRIES; i++) {
        error = reopen_folder(p);
        if (error)
            return error;
        number = take_name(p);
    }
    return name_error(number);
}

/* The end of a file that has got its name, or an error. */
static int end_named(struct place *p, int error)
{
    if (!error) {
        p->made = 0; /* the folders hold the file */
        error = p->sync ? sync_folder(p) : 0;
    }
    place_close(p);
    return error;
}

int place_publish(struct place *p)
{
    int number = p->sync && fsync(p->fd) != 0 ? errno : 0;
    if (!number && p->named)
        number = close_named(p);
    int held = -1, error = error_from_errno(number);
    if (!error && p->check)
        error = p->check(p->check_arg, &held);
    if (!error)
        error = publish_name(p);
    if (held >= 0)
        close(held);
    return end_named(p, error);
}

/* Moves a name to one that nobody has. 0 or an errno value. */
static int move_new(const struct place *p, int from, const char *name)
{
    if (renameat2(from, name, p->folder, p->name, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS) /* else the file system does not know the flag */
        return errno;
    if (linkat(from, name, p->folder, p->name, 0) != 0)
        return errno;
    (void)unlinkat(from, name, 0); /* or it has two names */
    return 0;
}

static int move_name(struct place *p, int from, const char *name)
{
    int number = move_new(p, from, name);
    if (number != EEXIST || p->exclusive)
        return number;
    if (renameat(from, name, p->folder, p->name) != 0)
        return errno;
    p->replaced = true;
    return 0;
}

int place_move(struct place *p, int from, const char *name)
{
    p->folder = p->fd = -1;
    p->named = p->replaced = false;
    int error = open_folder(p);
    if (error)
        p->folder = -1;
    int number = error ? 0 : move_name(p, from, name);
    for (int i = 0; number == ENOENT && !error && p->make_folders && i < FOLDER_TRIES; i++) {
        error = reopen_folder(p);
        number = error ? 0 : move_name(p, from, name);
    }
    return end_named(p, error ? error : name_error(number));
}

void place_close(struct place *p)
{
    char temporary[NAME_MAX + 1];
    if (p->named) {
        temporary_name(p, temporary);
        (void)unlinkat(p->folder, temporary, 0);
    }
    if (p->fd >= 0)
        close(p->fd);
    if (p->folder >= 0)
        close(p->folder);
    p->fd = p->folder = -1;
    p->named = false;
    if (p->made > 0)
        remove_folders(p);
}
