#include "fuzz.h"
#include "io/gguf/models.h"
#include "model/weights.h"
#include "text/gguf/gguf_tokenizer.h"

/* Every value that opens can be read, and every tensor from its first element to its last. */
static void read_all(const ts_gguf *g)
{
    for (int64_t i = 0; i < ts_gguf_count(g); i++) {
        const ts_gguf_tensor *t = ts_gguf_at(g, i);
        float v[2];
        if (ts_gguf_tensor_find(g, t->name) != t)
            abort();
        (void)ts_gguf_read_f32(g, t, 0, 1, v);
        (void)ts_gguf_read_f32(g, t, t->elements - 1, 1, v);
        (void)ts_gguf_read_f32(g, t, t->elements > 2 ? t->elements - 2 : 0, 1, v);
    }
}

/* As a model: what is described can be checked against what is there. */
static void as_model(const char *path)
{
    const ts_family *family;
    ts_arch a;
    json_t *config = NULL;
    ts_st_dir *dir = NULL;
    ts_arch_init(&a);
    if (ts_family_read_folder(path, &family, &a, &config) != TS_OK)
        return;
    if (ts_st_dir_open(path, NULL, &dir) == TS_OK) {
        (void)ts_weights_settle_tie(family, dir, path, &a, config);
        for (int64_t i = 0; i < ts_st_dir_count(dir); i++) {
            const ts_st_tensor *t = ts_st_dir_at(dir, i);
            float v;
            (void)ts_st_read_f32(t, t->elements - 1, 1, &v);
        }
    }
    ts_st_dir_destroy(&dir);
    ts_arch_deinit(&a);
    json_decref(config);
}

static void as_tokenizer(const char *path)
{
    ts_tokenizer *tok = NULL;
    ts_tokenizer_scratch *scratch = NULL;
    ts_ids ids = { 0 };
    if (ts_tokenizer_open_gguf(path, &tok) != TS_OK)
        return;
    if (ts_tokenizer_scratch_create(tok, &scratch) == TS_OK)
        (void)ts_tokenizer_encode(tok, scratch, "a text, 12 \xE2\x96\x81<s>", 16, true, &ids);
    for (size_t i = 0; i < ids.n; i++)
        if (ids.v[i] < 0 || ids.v[i] >= ts_tokenizer_vocab_size(tok))
            abort();
    ts_ids_deinit(&ids);
    ts_tokenizer_scratch_destroy(&scratch);
    ts_tokenizer_destroy(&tok);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[FUZZ_PATH];
    ts_gguf *g = NULL;
    fuzz_write("f.gguf", data, size);
    fuzz_path("f.gguf", path);
    if (ts_gguf_open(path, &g) == TS_OK) {
        read_all(g);
        as_model(path);
        as_tokenizer(path);
    } else if (!strstr(ts_error_message(), "f.gguf")) {
        abort();
    }
    ts_gguf_close(&g);
    fuzz_remove("f.gguf");
    return 0;
}
