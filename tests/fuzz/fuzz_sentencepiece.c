#include "fuzz_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_tokenizer((const char *)data, size, "fuzz.model");
    return 0;
}
