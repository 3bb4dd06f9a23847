#include "fuzz.h"
#include "data/gpt_dataset.h"
#include "data/indexed.h"

/* First byte: size of the .bin; then the .bin; then the .idx. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[FUZZ_PATH];
    int32_t tokens[9];
    ts_indexed *d = NULL;
    ts_gpt_dataset *g = NULL;
    if (size < 1 || size - 1 < data[0])
        return 0;
    fuzz_write("d.bin", data + 1, data[0]);
    fuzz_write("d.idx", data + 1 + data[0], size - 1 - data[0]);
    if (ts_indexed_open(fuzz_path("d", path), &d) == TS_OK) {
        (void)!ts_indexed_check_ids(d, 0, 100);
        for (int64_t i = 0; i < ts_indexed_count(d); i++)
            if (ts_indexed_boundary(d, ts_indexed_document_of(d, i)) > i)
                abort();
        const ts_gpt_args a = { .data = d, .count = ts_indexed_count(d), .seq_length = 8,
                                .n_samples = 20,
                                .keep_last_partial = data[0] & 1 };
        if (ts_gpt_dataset_create(&a, &g) == TS_OK)
            for (int64_t i = 0; i < ts_gpt_dataset_count(g); i++) {
                int64_t n;
                (void)!ts_gpt_dataset_get(g, i, 1 << 20, tokens, &n);
            }
        ts_gpt_dataset_destroy(&g);
    }
    ts_indexed_destroy(&d);
    fuzz_remove("d.bin");
    fuzz_remove("d.idx");
    return 0;
}
