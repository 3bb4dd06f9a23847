/* A file that a command was told to write. One rule for every option that names one:
 *
 * - Nothing there, or a regular file: the bytes go to PATH.tmp-PID-N beside it, which takes the name
 *   when it is whole and on disk. Links are followed: the file that a link names is replaced, the
 *   link stays; a link to nothing makes what it names.
 * - A pipe or a character device: written straight, never renamed over. "-", /dev/stdout and
 *   /dev/fd/N are the open file of that number.
 * - A folder, socket or block device is refused.
 *
 * A new file has mode 0640 less the umask. One that is replaced keeps owner and group where the
 * system allows it, and loses no restriction: a private file stays private. */
#ifndef TS_BASE_OUTPUT_H
#define TS_BASE_OUTPUT_H
#include "base/str.h"

typedef enum ts_output_way {
    TS_OUTPUT_REPLACE, /* front to back; takes the name at the end */
    TS_OUTPUT_SEEK,    /* the same with pwrite on fd: what cannot seek gets the bytes at the end */
    TS_OUTPUT_APPEND,  /* behind what is there, at once */
} ts_output_way;

/* Zero: closed. */
typedef struct ts_output {
    int fd;        /* above 2; the caller may pwrite and fallocate with TS_OUTPUT_SEEK */
    ts_str name;   /* for messages */
    ts_str target; /* what is replaced; empty: written straight */
    ts_str temp, aside;
    int straight;  /* with TS_OUTPUT_SEEK: where the bytes of fd go; 0: fd is the file itself */
} ts_output;

/* option: the name of the option with its dashes; a path that cannot be written is then a user's
 * mistake, and the message begins with both. NULL: TS_ERR_IO. On failure there is nothing to undo. */
ts_status ts_output_open(ts_output *o, const char *option, const char *path,
                         ts_output_way way) TS_NODISCARD;
/* Makes the file o->name, which must not be there, with the mode of a result; flags: how to open.
 * False: errno says why. */
bool ts_output_open_new(ts_output *o, int flags);
/* What open would refuse, before any work; makes nothing. */
ts_status ts_output_check(const char *option, const char *path) TS_NODISCARD;
/* The path without a link at its end, and without slashes there: what a rename has to replace. */
ts_status ts_path_follow(const char *path, ts_str *out) TS_NODISCARD;
/* Whether two paths name one file, through links or not. */
bool ts_output_is_same(const char *a, const char *b);
ts_status ts_output_write(ts_output *o, const void *data, size_t n) TS_NODISCARD;
/* TS_ERR_IO for errno, with the path: "PATH: writing failed: ..." */
ts_status ts_output_error(const ts_output *o, const char *doing);
/* Flushes to disk, closes and publishes. On failure what was there before is there still. */
ts_status ts_output_finish(ts_output *o) TS_NODISCARD;
/* The same for files that are of no use without each other: all or none. The last is the one that
 * readers look for; at no moment it stands beside others than its own. */
ts_status ts_output_finish_all(ts_output *const *list, size_t n) TS_NODISCARD;
/* Gives up what is not finished; after finish: nothing. */
void ts_output_abandon(ts_output *o);

/* All of it in one call, of the file that an option names: whole or not at all. */
ts_status ts_output_all(const char *option, const char *path, const void *data, size_t size) TS_NODISCARD;
/* The same of a file that no option names. */
ts_status ts_file_write_atomic(const char *path, const void *data, size_t size) TS_NODISCARD;
#endif
