#include "data/instruct/example.h"
#include "fuzz.h"

static void read_as(const ts_record_form *f, const json_t *record, ts_rows_kind kind)
{
    ts_example e;
    json_t *mixed = NULL;
    if (ts_example_read(f, record, kind, &e) == TS_OK) {
        if (!json_is_array(json_object_get(e.conversation, "messages")) || (kind == TS_ROWS_PAIRS) != (e.rejected != NULL))
            abort();
        if (ts_example_mismatch(&e, &e, &mixed) == TS_OK && !json_equal(mixed, e.conversation))
            abort();
    } else if (!*ts_error_message()) {
        abort();
    }
    json_decref(mixed);
    ts_example_deinit(&e);
}

/* {"record", "map_keys"?}: whatever a record holds, it becomes a conversation or is refused. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *o = NULL;
    ts_record_form f;
    if (ts_json_load((const char *)data, size, JSON_ALLOW_NUL, "the input", &o) != TS_OK)
        return 0;
    const json_t *record = json_object_get(o, "record");
    char *map = json_dumps(json_object_get(o, "map_keys"), 0);
    ts_record_form_init(&f);
    if (json_is_object(record) && (!map || ts_record_form_map(&f, map) == TS_OK))
        for (int kind = 0; kind < TS_ROWS_KINDS; kind++)
            read_as(&f, record, (ts_rows_kind)kind);
    ts_record_form_deinit(&f);
    free(map);
    json_decref(o);
    return 0;
}
