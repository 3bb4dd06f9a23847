#include "data/gpt_cache.h"
#include "fuzz.h"

#include <inttypes.h>

static const char description[] = "{\"seed\": 1}";

/* The names that the module gives its files, found by having them written once. */
static void write_good(const ts_gpt_cache_array *a)
{
    if (ts_gpt_cache_write(fuzz_folder(), "train", description, a) != TS_OK)
        abort();
}

static void file_name(const char *name, char out[FUZZ_PATH])
{
    /* the MD5 of the description */
    snprintf(out, FUZZ_PATH, "1da63139f01028f6b4de840ab1c43dfa-GPTDataset-train-%s", name);
}

/* A file's bytes: the good ones with the fuzzed ones laid over from a place on, cut or longer. */
static void spoil(const char *name, const uint8_t **data, size_t *size)
{
    char file[FUZZ_PATH], path[FUZZ_PATH];
    uint8_t buf[1024] = { 0 };
    file_name(name, file);
    FILE *f = fopen(fuzz_path(file, path), "rb");
    if (!f)
        abort();
    const size_t n = fread(buf, 1, sizeof buf, f);
    fclose(f);
    if (*size < 4)
        return;
    const size_t at = (*data)[0] * 4u % (n + 1), left = *size - 4;
    size_t take = (*data)[1], len = n + (*data)[2] - (*data)[3] % (n + 1);
    take = take < left ? take : left;
    take = take < sizeof buf - at ? take : sizeof buf - at;
    memcpy(buf + at, *data + 4, take);
    *data += 4 + take, *size -= 4 + take;
    fuzz_write(file, buf, len < sizeof buf ? len : sizeof buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int32_t numbers[64] = { 5, 4, 3, 2, 1 };
    static const char *const files[] = { "description.txt", "document_index.npy",
                                         "sample_index.npy", "shuffle_index.npy" };
    ts_gpt_cache_array a[TS_GPT_CACHE_ARRAYS] = {
        { "document_index", "<i4", 6, 0, numbers },
        { "sample_index", "<i4", 5, 2, numbers },
        { "shuffle_index", "<u4", 7, 0, numbers },
    };
    ts_gpt_cache c;
    bool found;
    int64_t sum = 0;
    write_good(a);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        spoil(files[i], &data, &size);
    for (size_t i = 0; i < TS_GPT_CACHE_ARRAYS; i++)
        a[i].data = NULL;
    if (ts_gpt_cache_open(fuzz_folder(), "train", description, a, &c, &found) != TS_OK)
        abort();
    for (size_t i = 0; found && i < TS_GPT_CACHE_ARRAYS; i++)
        for (int64_t k = 0; k < a[i].rows * (a[i].columns ? a[i].columns : 1); k++)
            sum += ((const int32_t *)a[i].data)[k] - numbers[k];
    if (sum) /* what is found is what was written */
        abort();
    ts_gpt_cache_close(&c);
    return 0;
}
