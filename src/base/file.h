/* Files: reading whole, mapping, what there is in folders. Writing is in output.h. */
#ifndef TS_BASE_FILE_H
#define TS_BASE_FILE_H
#include "base/str.h"

/* Reads the whole file; a missing or unreadable file is TS_ERR_USER with the path in the
 * message. */
ts_status ts_file_read(const char *path, ts_str *out) TS_NODISCARD;

/* A file mapped read-only and private; a pipe and the like is read to its end instead. Without a
 * byte, data is NULL. */
typedef struct ts_map {
    const unsigned char *data;
    size_t size;
    bool is_read;
} ts_map;
ts_status ts_map_open(const char *path, ts_map *out) TS_NODISCARD; /* missing file: TS_ERR_USER */
void ts_map_close(ts_map *m);
/* Gives up the memory of n of its bytes until they are read again; of others nothing happens, nor of a file that was read. */
void ts_map_release(const ts_map *m, const void *data, size_t n);

bool ts_path_exists(const char *path);
bool ts_path_is_dir(const char *path);
/* Whether a file begins with these n bytes, at most 16. False of what is no regular file: a pipe could not be read again. */
bool ts_file_begins_with(const char *path, const void *bytes, size_t n);
bool ts_path_ends(const char *path, const char *end);
/* a/b into out (reset first). */
ts_status ts_path_join(ts_str *out, const char *a, const char *b) TS_NODISCARD;
/* Makes the folder and its parents (mode 0750). */
ts_status ts_mkdirs(const char *path) TS_NODISCARD;
/* Removes a file or a whole folder; a missing one is fine. */
ts_status ts_remove_tree(const char *path) TS_NODISCARD;
/* Names in a folder (not . and ..), sorted; free each and the array. */
ts_status ts_dir_list(const char *path, char ***names, size_t *n) TS_NODISCARD;
/* Flushes a folder's entries to disk. */
ts_status ts_dir_sync(const char *path) TS_NODISCARD;
/* Bytes free for us on the file system that holds path (or its nearest existing parent). */
ts_status ts_disk_free(const char *path, double *bytes) TS_NODISCARD;
#endif
