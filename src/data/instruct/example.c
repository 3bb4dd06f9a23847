#include "data/instruct/example.h"

void ts_example_deinit(ts_example *e)
{
    json_decref(e->conversation);
    json_decref(e->rejected);
    *e = (ts_example){ 0 };
}

ts_status ts_example_read(const json_t *record, ts_rows_kind kind, ts_example *out)
{
    *out = (ts_example){ 0 };
    if (kind != TS_ROWS_SFT)
        return ts_error(TS_ERR_USER, "preferences are not read yet");
    if (!json_is_array(json_object_get(record, "messages")))
        return ts_error(TS_ERR_USER, "\"messages\": expected a list of messages");
    out->conversation = json_incref((json_t *)(uintptr_t)record);
    return TS_OK;
}
