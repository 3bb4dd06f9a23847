#include "fuzz.h"
#include "io/safetensors.h"

/* Whatever opens can be read to its last byte and found by its names. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[FUZZ_PATH];
    ts_st_file *f = NULL;
    fuzz_write("f.safetensors", data, size);
    if (ts_st_file_open(fuzz_path("f.safetensors", path), &f) != TS_OK) {
        if (!strstr(ts_error_message(), "f.safetensors"))
            abort();
        fuzz_remove("f.safetensors");
        return 0;
    }
    for (int64_t i = 0; i < ts_st_file_count(f); i++) {
        const ts_st_tensor *t = ts_st_file_at(f, i);
        float v;
        if (ts_st_file_find(f, t->name) != t)
            abort();
        if (t->elements && ts_st_read_f32(t, t->elements - 1, 1, &v) != TS_OK && t->size &&
            ((const volatile unsigned char *)t->data)[t->size - 1] == 1)
            (void)ts_st_file_metadata(f, t->name);
    }
    ts_st_file_destroy(&f);
    fuzz_remove("f.safetensors");
    return 0;
}
