#include "fuzz.h"
#include "io/torch/torch_file.h"

/* Whatever opens can be read from its first element to its last. */
static void read_all(const ts_torch_dict *d)
{
    for (size_t i = 0; i < d->n; i++) {
        const ts_st_tensor *t = &d->v[i];
        float v;
        if (!t->elements)
            continue;
        (void)ts_st_read_f32(t, 0, 1, &v);
        (void)ts_st_read_f32(t, t->elements - 1, 1, &v);
        if (!t->make && t->size)
            (void)(((const volatile char *)t->data)[0] + ((const volatile char *)t->data)[t->size - 1]);
    }
}

/* The first byte says what the others are: a file, or the pickle inside of one. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[FUZZ_PATH];
    ts_torch_dict d;
    if (!size)
        return 0;
    if (*data & 1) {
        ts_arena arena = { 0 };
        const ts_pickle_node *root;
        if (ts_pickle_read(data + 1, size - 1, "f.pt", &arena, &root) != TS_OK && !strstr(ts_error_message(), "f.pt") &&
            !strstr(ts_error_message(), "memory"))
            abort();
        ts_arena_deinit(&arena);
        return 0;
    }
    fuzz_write("f.pt", data + 1, size - 1);
    fuzz_path("f.pt", path);
    if (ts_torch_dict_open(path, &d) == TS_OK) {
        read_all(&d);
        ts_torch_dict_close(&d);
    } else if (!strstr(ts_error_message(), "f.pt") && !strstr(ts_error_message(), "memory")) {
        abort();
    }
    fuzz_remove("f.pt");
    return 0;
}
