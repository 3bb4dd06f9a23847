#include "text/load/post_json.h"

/* One text of a template: "A", or "B" behind another. */
static ts_status put_text(const char *begin, const char *end, const char *name, int type, ts_str *out)
{
    if (begin)
        TS_TRY(ts_str_printf(out, "{\"SpecialToken\": {\"id\": %s, \"type_id\": %d}}, ", begin, type));
    TS_TRY(ts_str_printf(out, "{\"Sequence\": {\"id\": \"%s\", \"type_id\": %d}}", name, type));
    return end ? ts_str_printf(out, ", {\"SpecialToken\": {\"id\": %s, \"type_id\": %d}}", end, type) : TS_OK;
}

static ts_status put_token(const char *text, int32_t id, ts_str *out)
{
    return ts_str_printf(out, "%s: {\"id\": %s, \"ids\": [%d], \"tokens\": [%s]}", text, text, (int)id, text);
}

static ts_status put_template(const ts_post_token *begin, const char *b, const ts_post_token *end, const char *e, ts_str *out)
{
    TS_TRY(ts_str_puts(out, "{\"type\": \"TemplateProcessing\", \"single\": ["));
    TS_TRY(put_text(b, e, "A", 0, out));
    TS_TRY(ts_str_puts(out, "], \"pair\": ["));
    TS_TRY(put_text(b, e, "A", 0, out));
    TS_TRY(ts_str_puts(out, ", "));
    TS_TRY(put_text(b, e, "B", 1, out));
    TS_TRY(ts_str_puts(out, "], \"special_tokens\": {"));
    if (b)
        TS_TRY(put_token(b, begin->id, out));
    if (e && (!b || begin->id != end->id)) {
        TS_TRY(ts_str_puts(out, b ? ", " : ""));
        TS_TRY(put_token(e, end->id, out));
    }
    return ts_str_puts(out, "}}");
}

ts_status ts_post_json(const ts_post_token *begin, const ts_post_token *end, ts_str *out)
{
    ts_str b = { 0 }, e = { 0 };
    ts_status st = TS_OK;
    if (begin->id < 0 && end->id < 0)
        return ts_str_puts(out, "null");
    if (begin->id >= 0)
        st = ts_str_json(&b, begin->text, begin->n);
    if (st == TS_OK && end->id >= 0)
        st = ts_str_json(&e, end->text, end->n);
    if (st == TS_OK)
        st = put_template(begin, b.s, end, e.s, out);
    ts_str_deinit(&b);
    ts_str_deinit(&e);
    return st;
}
