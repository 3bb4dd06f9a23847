#include "fuzz_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ts_tokenizer *tok = NULL;
    if (ts_tokenizer_open_bytes((const char *)data, size, "fuzz.model", fuzz_unicode(), &tok) !=
        TS_OK)
        return 0;
    fuzz_use(tok, NULL, 0);
    ts_tokenizer_destroy(&tok);
    return 0;
}
