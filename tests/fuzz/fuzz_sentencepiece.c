#include "fuzz_text.h"
#include "text/load/sp_json.h"

/* As a tokenizer.json, which opens. */
static void as_json(const char *data, size_t size)
{
    ts_str json = { 0 };
    ts_tokenizer *tok = NULL;
    bool can = false;
    if (ts_sp_json(data, size, "fuzz.model", true, false, &json, &can) == TS_OK && can) {
        if (ts_tokenizer_open_bytes(json.s, json.len, "fuzz.json", fuzz_unicode(), &tok) == TS_OK)
            fuzz_use(tok, NULL, 0);
        else if (!strstr(ts_error_message(), "fuzz.json"))
            abort();
    }
    ts_tokenizer_destroy(&tok);
    ts_str_deinit(&json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ts_tokenizer *tok = NULL;
    if (ts_tokenizer_open_bytes((const char *)data, size, "fuzz.model", fuzz_unicode(), &tok) !=
        TS_OK)
        return 0;
    fuzz_use(tok, NULL, 0);
    ts_tokenizer_destroy(&tok);
    if (size % 8 == 0) /* it makes tables of its own, which takes longer than the rest */
        as_json((const char *)data, size);
    return 0;
}
