#include "fuzz.h"
#include "io/gguf/gguf.h"
#include "io/gguf/write.h"

/* The input says which keys and tensors a file gets; what is written opens again and holds just these. */

enum { MOST = 8, ROOM = 1 << 12 };

typedef struct bytes {
    const uint8_t *at;
    size_t left;
} bytes;

static unsigned take(bytes *b, unsigned below)
{
    if (!b->left)
        return 0;
    b->left--;
    return *b->at++ % below;
}

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void add_keys(bytes *b, ts_gguf_keys *k, const char *text, size_t n, unsigned n_keys)
{
    char name[32];
    must(ts_gguf_add_text(k, "general.architecture", text, n) == TS_OK);
    for (unsigned i = 0; i < n_keys; i++) {
        snprintf(name, sizeof name, "key.%u", i);
        const unsigned kind = take(b, 4), v = take(b, 256);
        must((kind == 0   ? ts_gguf_add_u32(k, name, v)
              : kind == 1 ? ts_gguf_add_f32(k, name, (float)v / 3)
              : kind == 2 ? ts_gguf_add_bool(k, name, v & 1)
                          : ts_gguf_add_list(k, name, TS_GGUF_U32, text, (int64_t)(v % 12))) == TS_OK);
    }
}

typedef struct tensor {
    char name[80];
    const ts_block_type *type;
    int rank;
    int64_t shape[TS_GGUF_MAX_RANK];
    size_t size;
} tensor;

static void make_tensor(bytes *b, unsigned i, tensor *t)
{
    static const char *const types[] = { "F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_K", "Q6_K" };
    int64_t n = 1;
    *t = (tensor){ .type = ts_block_type_named(types[take(b, 7)]), .rank = 1 + (int)take(b, 4) };
    for (int k = 0; k < t->rank; k++) {
        t->shape[k] = 1 + take(b, 3);
        if (k == t->rank - 1)
            t->shape[k] *= t->type->values;
        n *= t->shape[k];
    }
    t->size = (size_t)(n / t->type->values * t->type->bytes);
    const int length = snprintf(t->name, sizeof t->name, "%u.", i);
    memset(t->name + length, 'x', take(b, 70));
}

static bool put_all(const ts_gguf_writer *w, const tensor *t, unsigned n, const char *data)
{
    for (unsigned i = n; i-- > 0;) /* in another order, in two pieces */
        if (!ts_gguf_writer_put(w, i, t[i].size / 2, data + i + t[i].size / 2, t[i].size - t[i].size / 2) ||
            !ts_gguf_writer_put(w, i, 0, data + i, t[i].size / 2))
            return false;
    return true;
}

static void compare(const char *path, const tensor *t, unsigned n, const char *data, const char *text, size_t length)
{
    ts_gguf *g;
    const char *arch;
    size_t size;
    must(ts_gguf_open(path, &g) == TS_OK);
    must(ts_gguf_text(g, "general.architecture", &arch, &size) == TS_OK && size == length && !memcmp(arch, text, length));
    must(ts_gguf_count(g) == n);
    for (unsigned i = 0; i < n; i++) {
        const ts_gguf_tensor *x = ts_gguf_tensor_find(g, t[i].name);
        must(x && x->type == t[i].type && x->rank == t[i].rank && x->size == t[i].size && !memcmp(x->data, data + i, x->size) &&
             !memcmp(x->shape, t[i].shape, (size_t)x->rank * sizeof *x->shape));
    }
    ts_gguf_close(&g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char values[ROOM * 64];
    static const char text[] = "a text of some length, of which so much is taken";
    bytes b = { data, size };
    char path[FUZZ_PATH];
    tensor t[MOST];
    ts_gguf_keys keys = { 0 };
    ts_gguf_writer *w;
    const unsigned n = take(&b, MOST + 1), length = take(&b, sizeof text);
    for (size_t i = 0; i < sizeof values; i++)
        values[i] = (char)(i * 131 >> 3);
    add_keys(&b, &keys, text, length, take(&b, 6));
    must(ts_gguf_writer_create("--outfile", fuzz_path("written.gguf", path), &w) == TS_OK);
    ts_status st = TS_OK;
    for (unsigned i = 0; st == TS_OK && i < n; i++) {
        make_tensor(&b, i, &t[i]);
        st = ts_gguf_writer_add(w, t[i].name, t[i].type, t[i].rank, t[i].shape);
        must((st == TS_OK) == (strlen(t[i].name) <= TS_GGUF_MAX_NAME));
    }
    if (st == TS_OK) {
        must(ts_gguf_writer_begin(w, &keys) == TS_OK && put_all(w, t, n, values) && ts_gguf_writer_finish(w) == TS_OK);
        compare(path, t, n, values, text, length);
    }
    ts_gguf_writer_destroy(&w);
    ts_gguf_keys_deinit(&keys);
    return 0;
}
