#include "base/json.h"
#include "config_rows.h"
#include "fuzz.h"
#include "json_mutate.h"
#include "model/open.h"
#include "train/hf_check.h"

#include <sys/stat.h>

enum { MOST_BYTES = 1 << 16 };

static void put_file(const char *name, const json_t *v)
{
    char *text = v ? json_dumps(v, JSON_ENCODE_ANY) : NULL;
    if (text)
        fuzz_write(name, text, strlen(text));
    else
        fuzz_remove(name);
    free(text);
}

/* A safetensors file with this header and as many zeros as its tensors say, up to a bound. */
static void put_shard(const char *name, json_t *header)
{
    char *text = json_is_object(header) ? json_dumps(header, JSON_COMPACT) : NULL;
    const char *key;
    json_t *v;
    json_int_t end = 0;
    if (!text) {
        fuzz_remove(name);
        return;
    }
    json_object_foreach(header, key, v) {
        const json_t *offsets = json_object_get(v, "data_offsets");
        const json_int_t e = json_integer_value(json_array_get(offsets, 1));
        end = e > end && e <= MOST_BYTES ? e : end;
    }
    const uint64_t n = strlen(text);
    uint8_t *file = calloc(8 + n + (size_t)end, 1);
    if (!file)
        abort();
    for (int i = 0; i < 8; i++)
        file[i] = (uint8_t)(n >> 8 * i);
    memcpy(file + 8, text, n);
    fuzz_write(name, file, 8 + n + (size_t)end);
    free(file);
    free(text);
}

/* Loaded where it is small: a config may describe any size. */
static void load(const char *folder)
{
    static ts_device *dev;
    const ts_device_options d = { .threads = 1, .limit = 1 << 24 };
    if (!dev && ts_device_open("cpu", &d, &dev) != TS_OK)
        abort();
    const ts_family *family;
    ts_arch a;
    json_t *config;
    if (ts_family_read_folder(folder, &family, &a, &config) != TS_OK)
        return;
    const bool small = a.vocab <= 64 && a.hidden <= 64 && a.ffn <= 64 && a.n_layers <= 3 &&
                       a.max_positions <= 64 && a.head_dim <= 64;
    ts_arch_deinit(&a);
    json_decref(config);
    ts_model m;
    const ts_model_use use = { .dev = dev, .compute = TS_DTYPE_F32 };
    if (small && ts_model_load(folder, &use, &m) == TS_OK)
        ts_model_deinit(&m);
}

/* {"config": ..., "index": ..., "file": header, "shard": header}: a Hugging Face folder. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool made;
    char folder[FUZZ_PATH];
    json_t *root = NULL;
    if (ts_json_parse((const char *)data, size, "input", &root) != TS_OK)
        return 0;
    fuzz_path("hf", folder);
    if (!made && mkdir(folder, 0700) != 0)
        abort();
    made = true;
    put_file("hf/config.json", json_object_get(root, "config"));
    put_file("hf/model.safetensors.index.json", json_object_get(root, "index"));
    put_shard("hf/model.safetensors", json_object_get(root, "file"));
    put_shard("hf/s.safetensors", json_object_get(root, "shard"));
    json_decref(root);
    ts_hf_check check = { 0 };
    const ts_status st = ts_hf_check_folder(folder, &check);
    if ((st == TS_OK) != (check.damages == 0) || (st != TS_OK && !*ts_error_message()))
        abort();
    load(folder);
    return 0;
}

#define TENSOR(n, from, to)                                                                        \
    "{\"dtype\": \"F32\", \"shape\": " n ", \"data_offsets\": [" #from ", " #to "]}"
const fuzz_row fuzz_rows[] = {
    CONFIG_ROWS,
    { "weight_map", "[{\"a\": \"s.safetensors\"}, {\"a\": \"../x\"}, {\"a\": \"\"}, {}]", NULL },
    { "metadata", "[{\"total_size\": 12}, {}]", NULL },
    { "dtype", "[\"F32\", \"BF16\", \"F16\", \"I64\", \"U8\", \"F8_E4M3\", \"BOOL\"]", NULL },
    { "shape", "[[], [1], [2, 3], [0], [4, 4]]", NULL },
    { "data_offsets", "[[0, 4], [4, 8], [0, 0], [8, 4]]", NULL },
    { "__metadata__", "[{\"format\": \"pt\"}]", NULL },
    { "lm_head.weight", "[" TENSOR("[2, 2]", 0, 16) "]", NULL },
    { "model.norm.weight", "[" TENSOR("[2]", 0, 8) "]", NULL },
    { "model.embed_tokens.weight", "[" TENSOR("[2, 2]", 0, 16) "]", NULL },
    { NULL, NULL, NULL },
};
const char *const fuzz_kinds = NULL;
fuzz_hook *const fuzz_hooks[] = { NULL };
