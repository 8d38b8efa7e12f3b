/*
 * Names of error values, and the system's errors in our terms.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/error.h"

#include <errno.h>

static const char *const error_texts[] = {
    [-WEIR_OK] = "success",
    [-WEIR_EINVAL] = "invalid argument or setting",
    [-WEIR_ENOMEM] = "no memory within the bound",
    [-WEIR_ECLOSED] = "the client has gone",
    [-WEIR_ECOMMITTED] = "the head of the reply has been sent",
    [-WEIR_EDONE] = "a final reply has been made",
    [-WEIR_ETOOBIG] = "a limit is exceeded",
    [-WEIR_ETIMEDOUT] = "timed out",
    [-WEIR_ENOENT] = "not found",
    [-WEIR_EACCES] = "not permitted",
    [-WEIR_EIO] = "input or output failed",
    [-WEIR_EDEADLK] = "would wait for itself",
    [-WEIR_ECANCELED] = "cut by the server's stop",
    [-WEIR_EPROTO] = "the peer broke the protocol",
    [-WEIR_EEXIST] = "already there",
    [-WEIR_EBUSY] = "in use",
    [-WEIR_ESYS] = "refused by the system",
    [-WEIR_ENOSPC] = "no space left on the disk",
    [-WEIR_ETYPE] = "the body is of another type",
    [-WEIR_ECONDITION] = "a condition of the request is not met",
    [-WEIR_EUPGRADE] = "the client has not asked for that protocol",
    [-WEIR_EFAILED] = "what was waited for has failed",
    [-WEIR_EREACH] = "the other service cannot be reached",
    [-WEIR_ETRUST] = "the other service's certificate is not trusted",
};

const char *weir_strerror(int error)
{
    if (error > 0 || error <= -(int)(sizeof error_texts / sizeof error_texts[0]))
        return "unknown error";
    return error_texts[-error];
}

const char *weir_version_string(void)
{
    return WEIR_VERSION_STRING;
}

int error_from_errno(int number)
{
    switch (number) {
    case 0:
        return WEIR_OK;
    case EINVAL:
    case ENAMETOOLONG:
        return WEIR_EINVAL;
    case ENOMEM:
    case ENOBUFS:
    case EMFILE:
    case ENFILE:
        return WEIR_ENOMEM;
    case EPIPE:
    case ECONNRESET:
    case ECONNABORTED:
    case ENOTCONN:
    case EHOSTUNREACH:
    case EHOSTDOWN:
    case ENETUNREACH:
    case ENETDOWN:
        return WEIR_ECLOSED;
    case ETIMEDOUT:
        return WEIR_ETIMEDOUT;
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
        return WEIR_ENOENT;
    case EACCES:
    case EPERM:
    case EROFS:
    case ELOOP:
    case EXDEV:
        return WEIR_EACCES;
    case EIO:
        return WEIR_EIO;
    case ENOSPC:
    case EDQUOT:
    case EFBIG: /* beyond RLIMIT_FSIZE, or what the file system can have */
        return WEIR_ENOSPC;
    case EEXIST:
        return WEIR_EEXIST;
    case EADDRINUSE:
    case EBUSY:
        return WEIR_EBUSY;
    default:
        return WEIR_ESYS;
    }
}
