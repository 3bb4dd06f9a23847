#include "base/json.h"
#include "fuzz.h"
#include "io/parquet/parquet.h"

/* Whatever opens is read row by row until it ends or is refused with its name; every row is JSON. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { MOST = 2000 };
    char path[FUZZ_PATH];
    ts_parquet *p = NULL;
    ts_str row = { 0 };
    bool found = true;
    fuzz_write("f.parquet", data, size);
    ts_status st = ts_parquet_open(fuzz_path("f.parquet", path), &p);
    for (int i = 0; st == TS_OK && found && i < MOST; i++) {
        json_error_t e;
        ts_str_reset(&row);
        st = ts_parquet_next(p, &row, &found);
        json_t *o = st == TS_OK && found ? json_loadb(row.s, row.len, JSON_ALLOW_NUL, &e) : NULL;
        if (st == TS_OK && found && !json_is_object(o) && e.line >= 0 && !strstr(e.text, "maximum"))
            abort();
        json_decref(o);
    }
    if (st != TS_OK && !strstr(ts_error_message(), st == TS_ERR_NOMEM ? "" : "f.parquet"))
        abort();
    ts_parquet_close(&p);
    ts_str_deinit(&row);
    fuzz_remove("f.parquet");
    return 0;
}
