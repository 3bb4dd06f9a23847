#include "base/file.h"
#include "ckpt/checkpoint.h"
#include "ckpt/manifest.h"
#include "ckpt/names.h"
#include "fuzz.h"
#include "io/safetensors.h"

#include <sys/stat.h>

static const char shard[] =
    "A\0\0\0\0\0\0\0{\"t\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]}}"
    "            abc";

/* The text as it is, and (as the checksum would hide everything else) with the checksum that it
 * should have. */
static void manifest(const uint8_t *data, size_t size)
{
    ckpt_manifest m;
    uint32_t syndrome;
    char *text = fuzz_text(data, size);
    if (ckpt_manifest_parse(text, size, "manifest.json", &m) == TS_OK)
        ckpt_manifest_deinit(&m);
    if (ckpt_manifest_syndrome(text, size, &syndrome)) {
        char *digits = strstr(text, "00000000"); /* where the corpus has them */
        size_t byte;
        int bit;
        if (ckpt_sums_locate(syndrome, size, &byte, &bit) && byte >= size)
            abort();
        if (digits) {
            char good[9];
            snprintf(good, sizeof good, "%08x", syndrome);
            memcpy(digits, good, 8);
        }
    }
    if (ckpt_manifest_parse(text, size, "manifest.json", &m) == TS_OK) {
        for (size_t i = 0; i < m.n; i++) {
            const ckpt_file *f = &m.files[i];
            if (!ckpt_is_plain_name(f->name) || strchr(f->name, '/') || f->size < 0 ||
                ckpt_manifest_find(&m, f->name) != f ||
                strlen(f->hex) != 8 * (size_t)(f->size / m.chunk + (f->size % m.chunk != 0)))
                abort();
        }
        ckpt_manifest_deinit(&m);
    }
    free(text);
}

static void names(const uint8_t *data, size_t size)
{
    int64_t n = -1;
    char *text = fuzz_text(data, size);
    if (ckpt_tracker_parse(text, size, &n) && n < 0)
        abort();
    if (ckpt_folder_parse(text, "", &n) && n < 0)
        abort();
    free(text);
}

/* As the index of a folder with one small shard. */
static void index_file(const uint8_t *data, size_t size)
{
    char path[FUZZ_PATH];
    ts_st_dir *d = NULL;
    mkdir(fuzz_path("dir", path), 0700);
    fuzz_write("dir/s.safetensors", shard, sizeof shard - 1);
    fuzz_write("dir/model.safetensors.index.json", data, size);
    if (ts_st_dir_open(path, "model", &d) == TS_OK)
        ts_st_dir_destroy(&d);
    else if (!*ts_error_message())
        abort();
    (void)!ts_remove_tree(path);
}

/* The first byte says what the rest is taken for. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    if (*data == 'm')
        manifest(data + 1, size - 1);
    else if (*data == 'i')
        index_file(data + 1, size - 1);
    else
        names(data + 1, size - 1);
    return 0;
}
