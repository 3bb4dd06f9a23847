/* Zip files as torch.save writes them: entries that are stored as they are, so that they can be used where they are
 * mapped. That is why they are read here and not by a library, whose readers hand out copies, and which would leave
 * most of the checks to us all the same.
 *
 * A file is never trusted: entries that are compressed, encrypted, outside of it or in each other, of another name or
 * size than the directory says, or of another CRC-32 are TS_ERR_USER that names the file. */
#ifndef TS_IO_TORCH_ZIP_H
#define TS_IO_TORCH_ZIP_H
#include "base/mem.h"

typedef struct ts_zip_entry {
    const char *name; /* not ending in 0: n_name bytes, in the file */
    size_t n_name;
    const unsigned char *data;
    size_t size;
    uint32_t crc;
} ts_zip_entry;

typedef struct ts_zip ts_zip;
/* The zip in these bytes, which stay where they are; path is for messages. */
ts_status ts_zip_open(const unsigned char *data, size_t size, const char *path, ts_zip **out) TS_NODISCARD;
void ts_zip_close(ts_zip **zip);
/* The entry TOP/name, where TOP is the folder that all entries are in; NULL: not there. */
const ts_zip_entry *ts_zip_find(const ts_zip *zip, const char *name);
/* Whether the entry's bytes are those that were written. Files whose writer left the sums out (they are 0) are taken
 * for whole. */
ts_status ts_zip_check(const ts_zip *zip, const ts_zip_entry *e) TS_NODISCARD;
size_t ts_zip_count(const ts_zip *zip);
const ts_zip_entry *ts_zip_at(const ts_zip *zip, size_t i); /* in the order of the file */
#endif
